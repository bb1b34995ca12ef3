"""Values of the tensors of GGUF files, as float32.

The formats are those of ggml: https://github.com/ggml-org/ggml, src/ggml-quants.c, the functions
`dequantize_row_*`. Values lie in blocks, which have a float16 scale and, in some formats, a
minimum. The same arithmetic in the same order gives the same float32 numbers, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.inputs.sources.gguf_file import GgufError, GgufFile

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
CHUNK = 1 << 16
"""Blocks that are decoded at a time, which bounds the memory for temporary values."""


@dataclass(frozen=True)
class Format:
    """name: as ggml writes it. values, size: number of values and bytes of a block. decode: from
    uint8 [blocks, size] to float32 [blocks, values].
    """

    name: str
    values: int
    size: int
    decode: Callable[[Bytes], Floats]


def tensor_values(file: GgufFile, name: str) -> Floats:
    """A tensor as float32, in its shape.

    Raises:
        GgufError: the file has no such tensor, or its format is unknown, or the file is cut off.
    """
    if (place := file.tensors.get(name)) is None:
        raise GgufError(f"{file.path}: it has no tensor {name!r}. Take a complete GGUF file.")
    if place.format not in FORMATS:
        raise GgufError(unknown_format(file, name))
    made = FORMATS[place.format]
    blocks, rest = divmod(place.size, made.values)
    data = np.memmap(file.path, np.uint8, "r")
    stored = data[place.offset : place.offset + blocks * made.size]
    if rest or len(stored) < blocks * made.size:
        raise GgufError(f"{file.path}: tensor {name!r} is cut off. Download the file again.")
    out = np.empty((blocks, made.values), np.float32)
    for start in range(0, blocks, CHUNK):
        end = min(start + CHUNK, blocks)
        part = np.array(stored[start * made.size : end * made.size])
        out[start:end] = made.decode(part.reshape(-1, made.size))
    return out.reshape(place.shape)


def unknown_format(file: GgufFile, name: str) -> str:
    """The sentence about a tensor whose format has no decoder here."""
    return (
        f"{file.path}: tensor {name!r} has the quantisation type {file.tensors[name].format}, which"
        f" cannot be dequantised. Expected one of {', '.join(f.name for f in FORMATS.values())};"
        " take the model in one of these, such as Q8_0 or Q4_K_M."
    )


def _f16(raw: Bytes) -> Floats:
    """float16 stored as bytes [..., 2 * n], as float32 [..., n]."""
    return np.ascontiguousarray(raw).view(np.float16).astype(np.float32)


def _nibbles(raw: Bytes) -> Bytes:
    """uint8 [..., n] to [..., 2 * n]: the low halves of all bytes, then the high halves."""
    return np.concatenate([raw & 15, raw >> 4], axis=-1)


def _bits(raw: Bytes, width: int) -> Bytes:
    """uint8 [..., n] to [..., 8 / width, n]: fields of `width` bits, the lowest first."""
    shifts = np.arange(0, 8, width, dtype=np.uint8)[:, None]
    return (raw[..., None, :] >> shifts) & np.uint8(2**width - 1)


def _plain(dtype: type[np.generic]) -> Callable[[Bytes], Floats]:
    return lambda b: b.view(dtype).astype(np.float32)


def _bf16(b: Bytes) -> Floats:
    return (b.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def _fifth_bits(raw: Bytes) -> Bytes:
    """The highest bits of 32 five-bit numbers, of their 4 bytes: uint8 [blocks, 32], 0 or 16."""
    return np.unpackbits(raw, axis=1, bitorder="little") << np.uint8(4)


def _q4_0(b: Bytes) -> Floats:
    return (_nibbles(b[:, 2:]).astype(np.float32) - 8) * _f16(b[:, :2])


def _q4_1(b: Bytes) -> Floats:
    return _nibbles(b[:, 4:]).astype(np.float32) * _f16(b[:, :2]) + _f16(b[:, 2:4])


def _q5_0(b: Bytes) -> Floats:
    q = _nibbles(b[:, 6:]) | _fifth_bits(b[:, 2:6])
    return (q.astype(np.float32) - 16) * _f16(b[:, :2])


def _q5_1(b: Bytes) -> Floats:
    q = _nibbles(b[:, 8:]) | _fifth_bits(b[:, 4:8])
    return q.astype(np.float32) * _f16(b[:, :2]) + _f16(b[:, 2:4])


def _q8_0(b: Bytes) -> Floats:
    return np.ascontiguousarray(b[:, 2:]).view(np.int8).astype(np.float32) * _f16(b[:, :2])


def _q2_k(b: Bytes) -> Floats:
    """16 groups of 16 values; a byte has the scale and the minimum of a group."""
    n, scales = len(b), b[:, :16]
    q = _bits(b[:, 16:80].reshape(n, 2, 32), 2).reshape(n, 16, 16).astype(np.float32)
    d = _f16(b[:, 80:82]) * (scales & 15).astype(np.float32)
    least = _f16(b[:, 82:84]) * (scales >> 4).astype(np.float32)
    return (d[..., None] * q - least[..., None]).reshape(n, 256)


def _q3_k(b: Bytes) -> Floats:
    """16 groups of 16 values with scales of six bits; the third bits of values lie apart."""
    n = len(b)
    low = _bits(b[:, 32:96].reshape(n, 2, 32), 2).reshape(n, 256)
    high = _bits(b[:, :32].reshape(n, 1, 32), 1).reshape(n, 256)
    scales = _nibbles(b[:, 96:104]) | _bits(b[:, 104:108], 2).reshape(n, 16) << 4
    d = _f16(b[:, 108:110]) * (scales.astype(np.float32) - 32)
    q = low.astype(np.float32) - 4 * (1 - high).astype(np.float32)
    return (d[..., None] * q.reshape(n, 16, 16)).reshape(n, 256)


def _scales_and_minima(raw: Bytes) -> tuple[Floats, Floats]:
    """Eight scales and eight minima of six bits each, of 12 bytes."""
    d, m, both = raw[:, :4], raw[:, 4:8], raw[:, 8:]
    scales = np.concatenate([d & 63, (both & 15) | (d >> 6) << 4], axis=1)
    minima = np.concatenate([m & 63, (both >> 4) | (m >> 6) << 4], axis=1)
    return scales.astype(np.float32), minima.astype(np.float32)


def _groups_of_32(b: Bytes, q: Bytes) -> Floats:
    """Q4_K and Q5_K: eight groups with a scale and a minimum. q: uint8 [blocks, 256]."""
    scales, minima = _scales_and_minima(b[:, 4:16])
    d, least = _f16(b[:, :2]) * scales, _f16(b[:, 2:4]) * minima
    q = q.reshape(-1, 8, 32).astype(np.float32)
    return (d[..., None] * q - least[..., None]).reshape(-1, 256)


def _q4_k(b: Bytes) -> Floats:
    return _groups_of_32(b, _nibbles(b[:, 16:].reshape(-1, 4, 32)).reshape(-1, 256))


def _q5_k(b: Bytes) -> Floats:
    low = _nibbles(b[:, 48:].reshape(-1, 4, 32)).reshape(-1, 256)
    return _groups_of_32(b, low | _bits(b[:, 16:48], 1).reshape(-1, 256) << np.uint8(4))


def _q6_k(b: Bytes) -> Floats:
    """16 groups of 16 values with int8 scales."""
    n = len(b)
    low = _nibbles(b[:, :128].reshape(n, 2, 64)).reshape(n, 256)
    high = _bits(b[:, 128:192].reshape(n, 2, 32), 2).reshape(n, 256)
    q = (low | high << 4).astype(np.float32) - 32
    d = _f16(b[:, 208:210]) * b[:, 192:208].view(np.int8).astype(np.float32)
    return (d[..., None] * q.reshape(n, 16, 16)).reshape(n, 256)


FORMATS = {
    0: Format("F32", 1, 4, _plain(np.float32)),
    1: Format("F16", 1, 2, _plain(np.float16)),
    2: Format("Q4_0", 32, 18, _q4_0),
    3: Format("Q4_1", 32, 20, _q4_1),
    6: Format("Q5_0", 32, 22, _q5_0),
    7: Format("Q5_1", 32, 24, _q5_1),
    8: Format("Q8_0", 32, 34, _q8_0),
    10: Format("Q2_K", 256, 84, _q2_k),
    11: Format("Q3_K", 256, 110, _q3_k),
    12: Format("Q4_K", 256, 144, _q4_k),
    13: Format("Q5_K", 256, 176, _q5_k),
    14: Format("Q6_K", 256, 210, _q6_k),
    28: Format("F64", 1, 8, _plain(np.float64)),
    30: Format("BF16", 1, 2, _bf16),
}
"""By the number that a file has for them."""
