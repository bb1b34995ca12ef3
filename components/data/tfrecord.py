"""TFRecord framing, without TensorFlow: each record between its length and its checksum.

A record is its length (uint64, little-endian), the masked CRC-32C of those 8 bytes, its bytes, and
their masked CRC-32C (TensorFlow, `core/lib/io/record_writer.h`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Protocol

MAX_BYTES = 1 << 27
"""Of a record, so that it cannot fill the memory."""


class ByteStream(Protocol):
    def read(self, size: int) -> bytes: ...


class DamagedFile(Exception):
    """The rest of the file cannot be read."""


def read_records(stream: ByteStream) -> Iterator[bytes | None]:
    """Every record in order; None for a record whose checksum is wrong.

    Raises:
        DamagedFile: the file is cut off, or the length of a record is damaged.
    """
    while header := stream.read(12):
        if len(header) < 12 or masked_crc(header[:8]) != struct.unpack("<I", header[8:])[0]:
            raise DamagedFile("the length of a record is damaged")
        size = struct.unpack("<Q", header[:8])[0]
        if size > MAX_BYTES:
            raise DamagedFile(
                f"a record has {size:,} bytes; expected at most {MAX_BYTES >> 20} MiB"
            )
        body = stream.read(size + 4)
        if len(body) < size + 4:
            raise DamagedFile("the file ends inside a record")
        record, crc = body[:size], struct.unpack("<I", body[size:])[0]
        yield record if masked_crc(record) == crc else None


def framed(record: bytes) -> bytes:
    size = struct.pack("<Q", len(record))
    crcs = [struct.pack("<I", masked_crc(part)) for part in (size, record)]
    return size + crcs[0] + record + crcs[1]


def masked_crc(data: bytes) -> int:
    """CRC-32C, rotated and shifted so that a checksum of data with checksums is no weaker."""
    import google_crc32c

    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
