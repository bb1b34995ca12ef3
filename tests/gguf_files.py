"""Writes small GGUF files, as https://github.com/ggml-org/ggml/blob/master/docs/gguf.md says."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from string import ascii_letters
from typing import Any

import numpy as np

from tests.pretrained_words import GPT_VOCABULARY

F32, Q4_1, Q8_0 = 0, 3, 8
Tensors = Mapping[str, tuple[int, np.ndarray]]
"""By name: the format, and float32 values or, if quantised, uint8 [..., bytes of a row]."""
TOKENS = list(dict.fromkeys([*GPT_VOCABULARY, *ascii_letters, *",#<|>"]))
VALUES_BY_BYTES = {Q4_1: (32, 20), Q8_0: (32, 34)}


def write_gguf(path: Path, metadata: Mapping[str, Any], tensors: Tensors, version: int = 3) -> None:
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, value in metadata.items():
        head += _string(key) + _value(value)
    data = b""
    for name, (kind, values) in tensors.items():
        count, size = VALUES_BY_BYTES.get(kind, (1, 1))
        shape = (*values.shape[:-1], values.shape[-1] // size * count)
        head += _string(name) + struct.pack("<I", len(shape))
        head += b"".join(struct.pack("<Q", n) for n in reversed(shape))
        head += struct.pack("<IQ", kind, len(data))
        data += values.tobytes()
        data += b"\0" * (-len(data) % 32)
    path.write_bytes(head + b"\0" * (-len(head) % 32) + data)


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: Any) -> bytes:
    """bool, int (uint32), float, str, or a list of one of them; the type first."""
    if isinstance(value, list):
        items = [_value(v) for v in value]
        kind = items[0][:4] if items else struct.pack("<I", 8)
        content = b"".join(item[4:] for item in items)
        return struct.pack("<I", 9) + kind + struct.pack("<Q", len(value)) + content
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _string(value)
    return struct.pack("<II", 4, value) if isinstance(value, int) else struct.pack("<If", 6, value)


BYTE_PAIRS = {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": TOKENS,
    "tokenizer.ggml.token_type": [3 if t.startswith("<|") else 1 for t in TOKENS],
    "tokenizer.ggml.merges": ["a b", "Ġ a", "Ġa b"],
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 1,
    "tokenizer.ggml.add_bos_token": False,
}
LLAMA = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 32,
    "llama.embedding_length": 32,
    "llama.feed_forward_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.attention.layer_norm_rms_epsilon": 1e-2,
    "llama.rope.freq_base": 1e4,
}


def llama_tensors() -> dict[str, tuple[int, np.ndarray]]:
    """Random ones that fit `LLAMA`; some are quantised."""
    rng = np.random.default_rng(0)

    def floats(*shape: int) -> tuple[int, np.ndarray]:
        return F32, rng.normal(size=shape).astype("float32")

    def quantised(kind: int, rows: int, width: int) -> tuple[int, np.ndarray]:
        values, size = VALUES_BY_BYTES[kind]
        blocks = rng.integers(0, 256, (rows, width // values, size), dtype=np.uint8)
        scale = np.frombuffer(np.float16(0.02 if kind == Q4_1 else 0.002).tobytes(), np.uint8)
        blocks[..., :2] = scale
        if kind == Q4_1:
            blocks[..., 2:4] = np.frombuffer(np.float16(-0.15).tobytes(), np.uint8)
        return kind, blocks.reshape(rows, -1)

    tensors = {
        "token_embd.weight": quantised(Q8_0, len(TOKENS), 32),
        "output_norm.weight": floats(32),
    }
    for i in range(2):
        tensors |= {
            f"blk.{i}.attn_norm.weight": floats(32),
            f"blk.{i}.attn_q.weight": quantised(Q4_1, 32, 32),
            f"blk.{i}.attn_k.weight": quantised(Q4_1, 16, 32),
            f"blk.{i}.attn_v.weight": quantised(Q4_1, 16, 32),
            f"blk.{i}.attn_output.weight": quantised(Q4_1, 32, 32),
            f"blk.{i}.ffn_norm.weight": floats(32),
            f"blk.{i}.ffn_gate.weight": quantised(Q4_1, 64, 32),
            f"blk.{i}.ffn_up.weight": quantised(Q4_1, 64, 32),
            f"blk.{i}.ffn_down.weight": quantised(Q4_1, 32, 64),
        }
    return tensors


def llama_file(path: Path) -> None:
    """A small Llama with its byte-pair tokenizer."""
    write_gguf(path, LLAMA | BYTE_PAIRS, llama_tensors())
