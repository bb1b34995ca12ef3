"""Dequantised values are those of ggml, bit for bit."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from models.inputs.sources.gguf_file import GgufError, read_gguf
from models.trunks.sources.gguf_tensors import FORMATS, tensor_values
from tests.gguf_files import F32, Q4_1, Q8_0, write_gguf

BLOCKS = 64


def random_blocks(number: int) -> np.ndarray:
    """Random bytes, where the scales and minima are finite."""
    made = FORMATS[number]
    blocks = np.random.default_rng(number).integers(0, 256, (BLOCKS, made.size), dtype=np.uint8)
    values = np.random.default_rng(1).normal(size=(BLOCKS, made.size // 2)).astype(np.float16)
    halves = values.view(np.uint8)
    for place in range(0, made.size - 1, 2):
        if place in SCALES.get(made.name, ()):
            blocks[:, place : place + 2] = halves[:, place : place + 2]
    return blocks


SCALES = {
    "F16": (0,),
    "Q4_0": (0,),
    "Q4_1": (0, 2),
    "Q5_0": (0,),
    "Q5_1": (0, 2),
    "Q8_0": (0,),
    "Q2_K": (80, 82),
    "Q3_K": (108,),
    "Q4_K": (0, 2),
    "Q5_K": (0, 2),
    "Q6_K": (208,),
}
"""Where the float16 numbers of a block lie."""


@pytest.mark.parametrize("number", [n for n in FORMATS if FORMATS[n].name not in ("F32", "F64")])
def test_values_are_those_of_the_reference(number: int) -> None:
    """Of the PyPI package `gguf`, by which the checksums were made (version 0.19.0)."""
    made, blocks = FORMATS[number], random_blocks(number)
    with np.errstate(all="ignore"):  # any bytes are a bfloat16, NaN too
        found = np.nan_to_num(made.decode(blocks))
    assert found.shape == (BLOCKS, made.values)
    assert found.dtype == np.float32
    assert zlib.crc32(found.tobytes()) == CHECKSUMS[made.name]
    try:
        from gguf import GGMLQuantizationType, quants
    except ImportError:
        return
    expected = quants.dequantize(blocks, GGMLQuantizationType(number)).reshape(found.shape)
    np.testing.assert_array_equal(found, np.nan_to_num(expected))


CHECKSUMS = {
    "F16": 1326245685,
    "Q4_0": 2137395137,
    "Q4_1": 1532781094,
    "Q5_0": 1391612548,
    "Q5_1": 2454517974,
    "Q8_0": 2210118585,
    "Q2_K": 3000437281,
    "Q3_K": 4078074169,
    "Q4_K": 1932030785,
    "Q5_K": 2668711600,
    "Q6_K": 700843653,
    "BF16": 3709359026,
}


def test_a_block_by_hand(tmp_path: Path) -> None:
    """Q4_1: 32 numbers of four bits q, the low halves of the bytes first; d * q + m."""
    d, m = np.float16(0.5), np.float16(-3)
    numbers = np.arange(32) % 16
    packed = (numbers[:16] | numbers[16:] << 4).astype(np.uint8)
    block = np.frombuffer(d.tobytes() + m.tobytes() + packed.tobytes(), np.uint8)
    signed = np.arange(-16, 16, dtype=np.int8)
    other = np.frombuffer(np.float16(0.25).tobytes() + signed.tobytes(), np.uint8)
    write_gguf(
        tmp_path / "f",
        {},
        {
            "a": (Q4_1, np.stack([block, block])),
            "b": (Q8_0, other[None]),
            "c": (F32, np.array([[1.5]], "float32")),
        },
    )
    file = read_gguf(tmp_path / "f")
    np.testing.assert_array_equal(tensor_values(file, "a"), np.tile(0.5 * numbers - 3, (2, 1)))
    np.testing.assert_array_equal(tensor_values(file, "b"), 0.25 * signed[None])
    np.testing.assert_array_equal(tensor_values(file, "c"), [[1.5]])


def test_large_tensors_are_decoded_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = random_blocks(Q8_0)
    write_gguf(tmp_path / "f", {}, {"x": (Q8_0, blocks)})
    file = read_gguf(tmp_path / "f")
    whole = tensor_values(file, "x")
    monkeypatch.setattr("models.trunks.sources.gguf_tensors.CHUNK", 7)
    np.testing.assert_array_equal(tensor_values(file, "x"), whole)


def test_what_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_gguf(path, {}, {"x": (16, np.zeros((4, 8), "uint8")), "y": (F32, np.ones(64, "float32"))})
    with pytest.raises(
        GgufError, match=r"'x' has the quantisation type 16, .* Expected one of F32"
    ):
        tensor_values(read_gguf(path), "x")
    with pytest.raises(GgufError, match="f: it has no tensor 'z'"):
        tensor_values(read_gguf(path), "z")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(GgufError, match="f: tensor 'y' is cut off"):
        tensor_values(read_gguf(path), "y")
