"""Limits on requests: their size, how many at a time, and a bearer token."""

from __future__ import annotations

import asyncio
import hmac
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import grpc
from starlette.requests import ClientDisconnect, Request

from serving.wire.errors import Code, ServingError, invalid

_GZIP = 16 + zlib.MAX_WBITS
_COPIES = 2
"""A body is copied once, when it is complete."""
_PART = 2**20
_TOO_MANY = (
    "The body has more than {} values. Send fewer at once, send images as base64, or use gRPC."
)
_VALUE_BYTES = 64
"""A value of JSON in Python: an object, and its place in a list."""


class TooLarge(ServingError):
    """A request body is larger than the limit. HTTP has its own status for that, 413."""


@dataclass(frozen=True)
class Limits:
    """body_bytes: the largest request body, decompressed.

    pending: how many requests may run or wait, for REST and gRPC each; further ones are refused
    with RESOURCE_EXHAUSTED. token: the bearer token that requests must have, if any.

    Of REST: values: most numbers, texts, lists and objects of a body. bytes_in_flight: of all
    bodies that are arriving or being answered, with what parsing them needs. header_bytes: of the
    request line and all headers. header_s, idle_s, body_s: how long a header may take, a pause in a
    body, and a whole request.
    """

    body_bytes: int = 128 * 2**20
    pending: int = 256
    token: str | None = None
    values: int = 1_000_000
    bytes_in_flight: int = 512 * 2**20
    header_bytes: int = 64 * 2**10
    header_s: float = 10.0
    idle_s: float = 20.0
    body_s: float = 300.0

    def check_token(self, authorization: str | None) -> None:
        """Check the `authorization` header.

        Raises:
            ServingError: UNAUTHENTICATED: the token is missing or wrong.
        """
        if self.token is None:
            return
        scheme, _, received = (authorization or "").partition(" ")
        sent = received.strip().encode("latin-1", "replace")  # as it arrived: headers are bytes
        known = [self.token.encode()]
        with suppress(UnicodeEncodeError):
            known.append(self.token.encode("latin-1"))
        same = [hmac.compare_digest(sent, token) for token in known]
        if scheme.lower() != "bearer" or not any(same):
            raise ServingError(Code.UNAUTHENTICATED, "Expected the header Authorization: Bearer …")


class Budget:
    """The memory of the requests that are arriving or being answered."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._used = limits, 0

    @contextmanager
    def reservation(self) -> Iterator[Reservation]:
        """What one request needs, until the block ends."""
        reserved = Reservation(self)
        try:
            yield reserved
        finally:
            self._used -= reserved.size

    def take(self, size: int, already: int) -> None:
        """Reserve bytes for a request that has reserved `already`.

        Raises:
            ServingError: there is no room now, or (`TooLarge`) there never is for such a request.
        """
        total = self._limits.bytes_in_flight
        if already + size > total:
            raise TooLarge(
                Code.RESOURCE_EXHAUSTED, f"The request needs more than {total} bytes of memory."
            )
        if self._used + size > total:
            message = "The bodies of other requests need all memory. Try again later."
            raise ServingError(Code.RESOURCE_EXHAUSTED, message)
        self._used += size


class Reservation:
    """The part of a `Budget` that one request holds."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self.size = budget, 0

    def more(self, size: int) -> None:
        self._budget.take(size, self.size)
        self.size += size


async def body_of(request: Request, limits: Limits, reserved: Reservation) -> bytes:
    """The body of a request, decompressed if gzipped.

    Raises:
        ServingError: the body is larger than the limits, has too many values, does not fit into the
            budget, or is not gzip although its header says so.
    """
    limit = limits.body_bytes
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise invalid(f"Content-Encoding {encoding} is not supported.")
    if int(request.headers.get("content-length", 0)) > limit:
        raise _too_large(limit)
    decompressor = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    body, values = bytearray(), 0
    try:
        async for chunk in request.stream():
            for part in [chunk] if decompressor is None else _unpacked(decompressor, chunk):
                reserved.more(_COPIES * len(part))
                body += part
                values += sum(part.count(mark) for mark in b",[{")
                if len(body) > limit:
                    raise _too_large(limit)
                if values > limits.values:
                    raise TooLarge(Code.RESOURCE_EXHAUSTED, _TOO_MANY.format(limits.values))
                await asyncio.sleep(0)  # others get their turn
    except zlib.error as error:
        raise invalid(f"The body is not gzip: {error}") from None
    except ClientDisconnect:
        raise ServingError(Code.CANCELLED, "The client closed the connection.") from None
    if decompressor is not None and not decompressor.eof:
        raise invalid("The gzipped body is cut off.")
    reserved.more(_VALUE_BYTES * values)
    return bytes(body)


def _unpacked(decompressor: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    """A part of a gzipped body, unpacked in small parts."""
    while chunk:
        if decompressor.eof:
            raise invalid("The body goes on after the end of its gzip.")
        yield decompressor.decompress(chunk, _PART)
        chunk = decompressor.unconsumed_tail


def _too_large(limit: int) -> ServingError:
    return TooLarge(Code.RESOURCE_EXHAUSTED, f"The body is larger than {limit} bytes.")


class TokenInterceptor(grpc.ServerInterceptor):  # type: ignore[misc]
    """Refuses gRPC calls without the token."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def intercept_service(self, continuation: Callable[[Any], Any], call: Any) -> Any:
        try:
            self._limits.check_token(dict(call.invocation_metadata).get("authorization"))
        except ServingError as error:
            message = error.message

            def refuse(request: object, context: grpc.ServicerContext) -> None:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, message)

            return grpc.unary_unary_rpc_method_handler(refuse)
        return continuation(call)
