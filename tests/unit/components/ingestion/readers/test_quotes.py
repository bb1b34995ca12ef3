from __future__ import annotations

import io

import pytest

from components.ingestion.readers import quotes
from components.ingestion.readers.quotes import QuoteCheck


@pytest.mark.parametrize("block", [3, 4, 5, 1 << 24])
@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ('a,"b"\n"c ""d""",e\n', False),
        ('\ufeff"a",b\n', False),
        ('a,"b\nc",d\n', False),
        ('""', False),
        ('a,"b\nc,d\n', True),  # at the end
        ('a,"b\nc,"d"\n', True),
        ('a,b" c\n', True),
        ('"a"b,c\n', True),
        ("a,b\n", False),
    ],
)
def test_quotes_follow_rfc_4180(
    text: str, broken: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotes, "SCAN_BYTES", block)
    assert QuoteCheck(io.BytesIO(text.encode()), ",", '"', True).broken() == broken


def test_no_more_is_read_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "SCAN_BYTES", 4)
    stream = io.BytesIO(b'a,b\n"open\n')
    check = QuoteCheck(stream, ",", '"', True)
    assert not check.broken(8)
    assert stream.tell() == 8
    assert check.broken()


def test_bytes_that_cannot_be_checked_count_as_broken() -> None:
    assert QuoteCheck(io.BytesIO(b""), ",", '"', False).broken(0)
    assert not QuoteCheck(io.BytesIO(b'"'), ",", "", True).broken()
