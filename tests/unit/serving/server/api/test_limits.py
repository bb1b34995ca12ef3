"""Limits on requests: body size, compression, token."""

import asyncio
import gzip
from collections.abc import Sequence

import pytest
from starlette.requests import Request

from serving.server.api.limits import Budget, Limits, TooLarge, body_of
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
    limits = Limits(limit)
    with Budget(limits).reservation() as reserved:
        return asyncio.run(body_of(request, limits, reserved))


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


def test_a_token_in_any_script_is_compared_whole() -> None:
    limits = Limits(token="sé日")
    limits.check_token(f"Bearer {'sé日'.encode().decode('latin-1')}")
    for received in ("sé", "sé?", "s"):
        with pytest.raises(ServingError, match="Expected the header"):
            limits.check_token(f"Bearer {received}")


def test_the_token_is_checked() -> None:
    Limits().check_token(None)
    limits = Limits(token="sécret")
    for scheme in ("Bearer", "bearer", "BEARER"):
        limits.check_token(f"{scheme} sécret")
        limits.check_token(f"{scheme}  {'sécret'.encode().decode('latin-1')}")  # sent as UTF-8
    for header in (None, "", "sécret", "Bearer other", "Basic sécret", "Bearer", "Bearer s?cret"):
        with pytest.raises(ServingError, match="Expected the header Authorization") as caught:
            limits.check_token(header)
        assert caught.value.code is Code.UNAUTHENTICATED


def test_bodies_share_a_budget() -> None:
    limits = Limits(1000, bytes_in_flight=500)
    budget = Budget(limits)
    with budget.reservation() as first:
        first.more(400)
        with budget.reservation() as second, pytest.raises(ServingError, match="Try again") as full:
            second.more(101)
        assert not isinstance(full.value, TooLarge)
        with budget.reservation() as second:
            second.more(100)
    with budget.reservation() as alone:
        alone.more(500)
        with pytest.raises(TooLarge, match="more than 500 bytes"):
            alone.more(1)


def test_a_body_of_many_values_is_refused_before_it_is_parsed() -> None:
    packed = gzip.compress(b'{"instances": [' + b"0," * 2_000_000 + b"0]}")
    assert len(packed) < 5000
    with pytest.raises(TooLarge, match="more than 1000000 values"):
        read([packed], limit=10**8, content_encoding="gzip")
    with pytest.raises(ServingError, match="goes on after the end of its gzip"):
        read([gzip.compress(b"{}"), b"more"], content_encoding="gzip")
