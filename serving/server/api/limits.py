"""Limits on requests: their size, how many at a time, and a bearer token."""

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
    """A request body is larger than the limit. HTTP has its own status for that, 413."""


@dataclass(frozen=True)
class Limits:
    """body_bytes: the largest request body, decompressed.

    pending: how many requests may run or wait, for REST and gRPC each; further ones are refused
    with RESOURCE_EXHAUSTED. token: the bearer token that requests must have, if any.
    """

    body_bytes: int = 128 * 2**20
    pending: int = 256
    token: str | None = None

    def check_token(self, authorization: str | None) -> None:
        """Check the `authorization` header.

        Raises:
            ServingError: UNAUTHENTICATED: the token is missing or wrong.
        """
        if self.token is None:
            return
        received, expected = authorization or "", f"Bearer {self.token}"
        if not hmac.compare_digest(received.encode(), expected.encode()):
            raise ServingError(Code.UNAUTHENTICATED, "Expected the header Authorization: Bearer …")


async def body_of(request: Request, limit: int) -> bytes:
    """The body of a request, decompressed if gzipped. Holds at most `limit` bytes in memory.

    Raises:
        ServingError: the body is larger, or is not gzip although its header says so.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise invalid(f"Content-Encoding {encoding} is not supported.")
    if int(request.headers.get("content-length", 0)) > limit:
        raise _too_large(limit)
    decompressor = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    body = bytearray()
    try:
        async for chunk in request.stream():
            room = limit + 1 - len(body)
            body += chunk if decompressor is None else decompressor.decompress(chunk, room)
            if len(body) > limit:
                raise _too_large(limit)
    except zlib.error as error:
        raise invalid(f"The body is not gzip: {error}") from None
    except ClientDisconnect:
        raise ServingError(Code.CANCELLED, "The client closed the connection.") from None
    if decompressor is not None and not decompressor.eof:
        raise invalid("The gzipped body is cut off.")
    return bytes(body)


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
