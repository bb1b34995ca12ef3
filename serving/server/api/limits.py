"""What a server lets in: how large, how many at once, and from whom."""

from __future__ import annotations

import hmac
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from starlette.requests import ClientDisconnect, Request

from serving.wire.errors import Code, ServingError, invalid

_GZIP = 16 + zlib.MAX_WBITS


class TooLarge(ServingError):
    """A request body over the limit: HTTP has a status of its own for that."""


@dataclass(frozen=True)
class Limits:
    """body_bytes: of one request, unpacked. pending: requests being answered or waiting, for each
    of REST and gRPC; more are refused with RESOURCE_EXHAUSTED. token: that requests must bear.
    """

    body_bytes: int = 128 * 2**20
    pending: int = 256
    token: str | None = None

    def admit(self, authorization: str | None) -> None:
        """Raises ServingError: UNAUTHENTICATED: the token is wanted and is not there."""
        if self.token is None:
            return
        given = (authorization or "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.token}".encode()):
            raise ServingError(Code.UNAUTHENTICATED, "Expected the header Authorization: Bearer …")


async def body_of(request: Request, limit: int) -> bytes:
    """A request's body, unpacked if it is gzipped, never more of it in memory than `limit` bytes.

    Raises:
        ServingError: it is larger, or is not gzip although its header says so.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise ServingError(Code.INVALID_ARGUMENT, f"Content-Encoding {encoding} is not supported.")
    if int(request.headers.get("content-length", 0)) > limit:
        raise _too_large(limit)
    unpack = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    body = bytearray()
    try:
        async for chunk in request.stream():
            room = limit + 1 - len(body)
            body += chunk if unpack is None else unpack.decompress(chunk, room)
            if len(body) > limit:
                raise _too_large(limit)
    except zlib.error as error:
        raise invalid(f"The body is not gzip: {error}") from None
    except ClientDisconnect:
        raise ServingError(Code.CANCELLED, "The client is gone.") from None
    if unpack is not None and not unpack.eof:
        raise invalid("The gzipped body is cut off.")
    return bytes(body)


def _too_large(limit: int) -> ServingError:
    return TooLarge(Code.RESOURCE_EXHAUSTED, f"The body is larger than {limit} bytes.")


class TokenInterceptor(grpc.ServerInterceptor):  # type: ignore[misc]
    """Refuses gRPC calls that do not bear the token."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def intercept_service(self, continuation: Callable[[Any], Any], call: Any) -> Any:
        """See `grpc.ServerInterceptor`."""
        given = dict(call.invocation_metadata).get("authorization")
        try:
            self._limits.admit(given)
        except ServingError as error:
            message = error.message

            def refuse(request: object, context: grpc.ServicerContext) -> None:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, message)

            return grpc.unary_unary_rpc_method_handler(refuse)
        return continuation(call)
