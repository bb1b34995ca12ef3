"""Limits on requests: body size, compression, token."""

import asyncio
import gzip
from collections.abc import Sequence

import pytest
from starlette.requests import Request

from serving.server.api.limits import Limits, TooLarge, body_of
from serving.wire.errors import Code, ServingError


def read(chunks: Sequence[bytes], limit: int = 100, **headers: str) -> bytes:
    """What `body_of` makes of a request that arrives in these chunks."""
    messages = [
        {"type": "http.request", "body": chunk, "more_body": i < len(chunks) - 1}
        for i, chunk in enumerate(chunks)
    ] or [{"type": "http.disconnect"}]
    iterator = iter(messages)

    async def receive() -> dict[str, object]:
        return next(iterator)

    encoded = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    request = Request({"type": "http", "method": "POST", "headers": encoded}, receive)
    return asyncio.run(body_of(request, limit))


def test_a_body_is_joined_and_decompressed() -> None:
    assert read([b"ab", b"c"]) == b"abc"
    packed = gzip.compress(b"abc" * 30)
    assert read([packed[:7], packed[7:]], content_encoding="GZIP") == b"abc" * 30


@pytest.mark.parametrize(
    ("chunks", "headers"),
    [
        ([b"x" * 60, b"x" * 60], {}),
        ([b"x"], {"content_length": "101"}),
        ([gzip.compress(b"x" * 1_000_000)], {"content_encoding": "gzip"}),
    ],
)
def test_a_large_body_is_refused(chunks: list[bytes], headers: dict[str, str]) -> None:
    with pytest.raises(TooLarge, match="larger than 100 bytes") as caught:
        read(chunks, **headers)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("chunks", "encoding", "message"),
    [
        ([b"plain"], "gzip", "The body is not gzip"),
        ([gzip.compress(b"abc")[:-5]], "gzip", "The gzipped body is cut off"),
        ([b"x"], "br", "Content-Encoding br is not supported"),
    ],
)
def test_a_wrong_encoding_is_refused(chunks: list[bytes], encoding: str, message: str) -> None:
    with pytest.raises(ServingError, match=message) as caught:
        read(chunks, content_encoding=encoding)
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_a_client_that_disconnects_cancels_the_request() -> None:
    with pytest.raises(ServingError, match="The client closed the connection") as caught:
        read([])
    assert caught.value.code is Code.CANCELLED


def test_the_token_is_checked() -> None:
    Limits().check_token(None)
    limits = Limits(token="sécret")
    limits.check_token("Bearer sécret")
    for header in (None, "", "sécret", "Bearer other", "bearer sécret"):
        with pytest.raises(ServingError, match="Expected the header Authorization") as caught:
            limits.check_token(header)
        assert caught.value.code is Code.UNAUTHENTICATED
