"""HTTP with bounds, before anything of a request is looked at: its token, its path, its body.

uvicorn bounds neither the size nor the time of headers, and a header that never ends costs it time
in the square of its length.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.server.api.limits import Limits

_CHUNK_OVERHEAD = 8
"""Bytes around each byte of a body in chunks, at most: `1\\r\\nx\\r\\n` has five."""
_REASONS = {408: "Request Timeout", 431: "Request Header Fields Too Large", 400: "Bad Request"}


def bounded_http(limits: Limits) -> Callable[..., asyncio.Protocol]:
    """The protocol of uvicorn's connections."""
    return partial(BoundedHttp, limits)


class BoundedHttp(HttpToolsProtocol):
    """Refuses long headers (431), and closes connections that are too slow (408, if a request had
    begun).
    """

    def __init__(self, limits: Limits, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits
        self._in_body = False
        self._began = self._last = 0.0
        self._head = self._body = self._outside_body = self._messages = 0
        self._watch: asyncio.TimerHandle | None = None
        self._refusal = 400

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._last = self.loop.time()
        if self._watch is None:  # the first byte of another request of this connection
            self._expect_head()
        body, in_body, messages = self._body, self._in_body, self._messages
        super().data_received(data)
        if self.transport.is_closing() or messages != self._messages:
            return
        if not self._in_body:
            self._head += len(data)
            if self._head > self._limits.header_bytes:
                self._refuse(431)
        elif in_body:  # trailers and the extensions of chunks are no body
            self._outside_body += len(data) - (self._body - body)
            if self._outside_body > self._limits.header_bytes + _CHUNK_OVERHEAD * self._body:
                self._refuse(431)

    def on_headers_complete(self) -> None:
        length = len(self.url) + sum(len(n) + len(v) + 4 for n, v in self.headers)
        if length > self._limits.header_bytes:
            self._refusal = 431
            raise ValueError("the header is too long")  # `data_received` answers it
        super().on_headers_complete()
        self._in_body, self._body, self._outside_body = True, 0, 0

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body, self._head = False, 0
        self._messages += 1
        self._stop_watch()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal)

    def _expect_head(self) -> None:
        self._began = self._last = self.loop.time()
        self._stop_watch()
        self._watch = self.loop.call_later(self._limits.header_s, self._look)

    def _look(self) -> None:
        """Close the connection if it is too slow, or look again when it may be."""
        limits, end = self._limits, self._began + self._limits.header_s
        if self._in_body:
            # a body that waits for us is not slow
            last = self.loop.time() if self.flow.read_paused else self._last
            end = min(last + limits.idle_s, self._began + limits.body_s)
        if self.loop.time() < end:
            self._watch = self.loop.call_at(end, self._look)
        elif self._head or self._in_body:
            self._refuse(408)
        else:
            self.transport.close()

    def _stop_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _refuse(self, status: int) -> None:
        """Answer, unless an answer has begun, and close the connection."""
        self._stop_watch()
        if self.transport.is_closing():
            return
        answering = self.cycle is not None and self.cycle.response_started
        if not answering or (self.cycle.response_complete and not self._in_body):
            body = f'{{"error": "{_REASONS[status]}"}}'.encode()
            head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
            head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            self.transport.write(head.encode() + body)
        self.transport.close()
