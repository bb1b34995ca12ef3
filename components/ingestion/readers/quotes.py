"""Notices quotes that are not closed, beside the parser of a delimited file.

A quote that is not closed makes one record of all lines up to the next quote, or up to the end of
the file, and this record may even have the right number of columns. So the bytes are checked before
the rows made of them are used: in RFC 4180 quotes alternately open and close a value (a doubled
quote closes and opens one), an opening quote follows a delimiter, a row end or a quote, and a
closing one precedes one. Only where this does not hold are the records looked at one by one.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Protocol

from components.data.lazy import np
from components.ingestion.readers.byte_ranges import SCAN_BYTES

if TYPE_CHECKING:
    import numpy.typing as npt


class Stream(Protocol):
    def read(self, size: int) -> bytes: ...


class QuoteCheck:
    """Reads the bytes of a stream on demand, and checks the quotes in them.

    ascii_like: whether the byte of a quote never is part of another character; if not, nothing is
        read and the quotes count as broken.
    """

    def __init__(self, stream: Stream, delimiter: str, quote: str, ascii_like: bool) -> None:
        self._stream = stream
        self._quote = ord(quote) if quote else None
        self._broken = bool(quote) and not (ascii_like and (delimiter + quote).isascii())
        self._beside = np.zeros(256, bool)
        if not self._broken:
            self._beside[[ord(c) for c in f"{delimiter}{quote}\n\r"]] = True
        self._read = self._seen = 0
        self._last: int | None = None
        self._closing_last = False
        self._ended = not quote

    def broken(self, size: int | None = None) -> bool:
        """Whether a quote in the first `size` bytes, or in all, does not follow RFC 4180. A quote
        that is still open counts at the end only.
        """
        while not self._broken and not self._ended and (size is None or self._read < size):
            block = self._stream.read(SCAN_BYTES)
            self._read += len(block)
            self._ended = not block
            self._check(np.frombuffer(block, np.uint8))
        return self._broken or (self._ended and self._seen % 2 == 1)

    def _check(self, block: npt.NDArray[np.uint8]) -> None:
        if self._last is None and block[:3].tobytes() == codecs.BOM_UTF8:
            block = block[3:]
        if not len(block):
            return
        if self._closing_last and not self._beside[block[0]]:
            self._broken = True
        quotes = np.flatnonzero(block == self._quote)
        opening, closing = quotes[self._seen % 2 :: 2], quotes[1 - self._seen % 2 :: 2]
        if len(opening) and opening[0] == 0:
            opening = opening[1:]
            if self._last is not None and not self._beside[self._last]:
                self._broken = True
        self._closing_last = bool(len(closing)) and closing[-1] == len(block) - 1
        closing = closing[:-1] if self._closing_last else closing
        if not (self._beside[block[opening - 1]].all() and self._beside[block[closing + 1]].all()):
            self._broken = True
        self._seen += len(quotes)
        self._last = int(block[-1])
