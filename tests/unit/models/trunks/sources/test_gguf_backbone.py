"""Backbones from GGUF files equal those from the Hugging Face files that they were converted from.

The conversion is written here as llama.cpp's convert_hf_to_gguf.py does it; KerasHub reads the
Hugging Face files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras_hub
import numpy as np
import pytest
from safetensors.numpy import save_file

from models.inputs.sources.gguf_file import GgufError, read_gguf
from models.trunks.sources.gguf_backbone import ARCHITECTURES, gguf_backbone, num_weights, problems
from tests.gguf_files import BYTE_PAIRS, F32, LLAMA, Q8_0, llama_file, llama_tensors, write_gguf

WIDTH, HEADS, GROUPS, SIZE, INNER, TOKENS = 12, 3, 1, 4, 20, 14
KEY = "tokenizer.ggml.tokens"
IDS = np.array([[1, 5, 3, 2, 9, 13], [4, 4, 7, 0, 0, 0]])
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "wte": "token_embd",
    "wpe": "position_embd",
    "ln_f": "output_norm",
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
ROTARY: dict[str, Any] = {
    "vocab_size": TOKENS,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "num_key_value_heads": GROUPS,
    "head_dim": SIZE,
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "rope_theta": 500.0,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
    "use_sliding_window": False,
    "sliding_window": None,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": ROTARY,
    "qwen2": ROTARY,
    "gemma": ROTARY,
    "gpt2": {
        "vocab_size": TOKENS,
        "n_layer": 2,
        "n_head": HEADS,
        "n_embd": WIDTH,
        "n_positions": 10,
        "resid_pdrop": 0.0,
    },
}


def hugging_face(model: str) -> dict[str, np.ndarray]:
    """Random tensors by Hugging Face's names."""
    rng = np.random.default_rng(3)
    shapes: dict[str, tuple[int, ...]] = {}
    if model == "gpt2":
        shapes = {"wte.weight": (TOKENS, WIDTH), "wpe.weight": (10, WIDTH)}
        inner = 4 * WIDTH
        of_block = {
            "attn.c_attn": (WIDTH, 3 * WIDTH),
            "attn.c_proj": (WIDTH, WIDTH),
            "mlp.c_fc": (WIDTH, inner),
            "mlp.c_proj": (inner, WIDTH),
        }
        for place in ("ln_f", *(f"h.{i}.{n}" for i in range(2) for n in ("ln_1", "ln_2"))):
            shapes |= {f"{place}.weight": (WIDTH,), f"{place}.bias": (WIDTH,)}
        for i in range(2):
            for name, shape in of_block.items():
                shapes |= {f"h.{i}.{name}.weight": shape, f"h.{i}.{name}.bias": shape[1:]}
    else:
        shapes = {"model.embed_tokens.weight": (TOKENS, WIDTH), "model.norm.weight": (WIDTH,)}
        rows = {"q": HEADS * SIZE, "k": GROUPS * SIZE, "v": GROUPS * SIZE}
        for i in range(2):
            b = f"model.layers.{i}"
            for name, count in rows.items():
                shapes[f"{b}.self_attn.{name}_proj.weight"] = (count, WIDTH)
                if model == "qwen2":
                    shapes[f"{b}.self_attn.{name}_proj.bias"] = (count,)
            shapes |= {
                f"{b}.self_attn.o_proj.weight": (WIDTH, HEADS * SIZE),
                f"{b}.input_layernorm.weight": (WIDTH,),
                f"{b}.post_attention_layernorm.weight": (WIDTH,),
                f"{b}.mlp.gate_proj.weight": (INNER, WIDTH),
                f"{b}.mlp.up_proj.weight": (INNER, WIDTH),
                f"{b}.mlp.down_proj.weight": (WIDTH, INNER),
            }
    return {n: rng.normal(0, 0.5, s).astype("float32") for n, s in shapes.items()}


def converted(model: str, name: str, x: np.ndarray) -> tuple[str, np.ndarray]:
    """The name and value in GGUF."""
    block, _, rest = name.removeprefix("model.layers.").removeprefix("h.").partition(".")
    inside, end = (rest, f"blk.{block}.") if block.isdigit() else (name, "")
    place, _, kind = inside.rpartition(".")
    if model == "llama" and place.endswith(("q_proj", "k_proj")):
        heads = HEADS if place.endswith("q_proj") else GROUPS
        x = x.reshape(heads, 2, len(x) // heads // 2, WIDTH).swapaxes(1, 2).reshape(x.shape)
    if model == "gemma" and name.endswith("norm.weight"):
        x = x + 1
    if model == "gpt2" and place.rpartition(".")[2] in ("c_attn", "c_proj", "c_fc") and x.ndim == 2:
        x = x.T
    return f"{end}{NAMES[place]}.{kind}", np.ascontiguousarray(x)


def test_every_architecture_is_tested() -> None:
    assert set(CONFIGS) == set(ARCHITECTURES)


@pytest.mark.slow
@pytest.mark.parametrize("model", CONFIGS)
def test_outputs_are_those_of_the_hugging_face_files(model: str, tmp_path: Path) -> None:
    tensors = hugging_face(model)
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS[model] | {"model_type": model}))
    expected = keras_hub.models.Backbone.from_preset(str(tmp_path))
    metadata = {
        "general.architecture": model,
        f"{model}.block_count": 2,
        f"{model}.context_length": 10,
        f"{model}.embedding_length": WIDTH,
        f"{model}.feed_forward_length": 4 * WIDTH if model == "gpt2" else INNER,
        f"{model}.attention.head_count": HEADS,
        f"{model}.attention.head_count_kv": GROUPS,
        f"{model}.attention.key_length": SIZE,
        f"{model}.attention.layer_norm_rms_epsilon": 1e-6,
        f"{model}.rope.freq_base": 10000.0 if model == "gemma" else 500.0,
    }
    stored = dict(converted(model, n, x) for n, x in tensors.items())
    stored["output.weight"] = np.ones((TOKENS, WIDTH), "float32")
    write_gguf(tmp_path / "f", metadata, {n: (F32, x) for n, x in stored.items()})
    file = read_gguf(tmp_path / "f")
    assert problems(file) == []
    assert num_weights(file) == sum(x.size for x in tensors.values())
    found = gguf_backbone(file, True, {})
    assert type(found) is type(expected)
    assert found.count_params() == expected.count_params()
    batch = {"token_ids": IDS, "padding_mask": (IDS > 0).astype("int32")}
    np.testing.assert_allclose(
        found(batch, training=False), expected(batch, training=False), rtol=1e-5, atol=1e-5
    )


def test_files_that_are_no_such_model_are_refused(tmp_path: Path) -> None:
    path, tensors = tmp_path / "f", llama_tensors()

    def refused(metadata: dict[str, Any], given: dict[str, Any]) -> str:
        write_gguf(path, LLAMA | BYTE_PAIRS | metadata, given)
        (problem,) = problems(read_gguf(path))
        with pytest.raises(GgufError):
            gguf_backbone(read_gguf(path), True, {})
        return problem

    assert "'mamba'. Expected one of llama" in refused({"general.architecture": "mamba"}, tensors)
    foreign = tensors | {"blk.0.ffn_gate_inp.weight": (F32, np.ones((4, 2), "float32"))}
    assert "has no place for the tensor 'blk.0.ffn_gate_inp.weight'" in refused({}, foreign)
    unknown = tensors | {"output_norm.weight": (20, np.ones(32, "uint8"))}
    assert "quantisation type 20" in refused({}, unknown)
    assert "positions are scaled (yarn)" in refused({"llama.rope.scaling.type": "yarn"}, tensors)
    few = tensors | {"token_embd.weight": (Q8_0, np.ones((3, 34), "uint8"))}
    assert f"has {len(BYTE_PAIRS[KEY])} tokens, but its embedding 3" in refused({}, few)


@pytest.mark.slow
def test_missing_and_foreign_weights_are_named(tmp_path: Path) -> None:
    path, tensors = tmp_path / "f", llama_tensors()
    llama_file(path)
    assert gguf_backbone(read_gguf(path), True, {}).layer_norm.epsilon == pytest.approx(1e-2)
    for changed, message in (
        (
            {n: t for n, t in tensors.items() if n != "blk.1.attn_q.weight"},
            "no tensor 'blk.1.attn_q",
        ),
        (
            tensors | {"output_norm.weight": (F32, np.ones(16, "float32"))},
            r"\[16\]. Expected \[32\]",
        ),
    ):
        write_gguf(path, LLAMA | BYTE_PAIRS, changed)
        with pytest.raises(GgufError, match=message):
            gguf_backbone(read_gguf(path), True, {})
