"""What is refused before a request is read: too large, too slow, of another kind, or one too many."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from frostline.export.serve.limits import Limits
from frostline.export.serve.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PREDICT = "/predict"
FORM = "multipart/form-data"
RETRY_AFTER_S = "1"
UNREAD = (408, 413, 415, 503)  # what is left of the body is not read: the connection ends with the answer


class Refused(Exception):
    """A request that is answered with `status` and a sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Guard:
    """An ASGI application around another one; counts every request and its status."""

    def __init__(self, inner: Application, limits: Limits, metrics: Metrics) -> None:
        self._inner, self._limits, self._metrics = inner, limits, metrics
        self._active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        answer = _Answer(send)
        start = time.monotonic()
        try:
            if scope["path"] == PREDICT and scope["method"] == "POST":
                await self._predict(scope, receive, answer)
            else:
                await self._inner(scope, receive, answer)
        finally:
            self._metrics.answered(scope["path"], answer.status or 500, time.monotonic() - start)

    async def _predict(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        if self._active >= self._limits.requests:
            await answer.refuse(Refused(503, f"{self._active} requests are being answered already; try again in a moment."))
            return
        self._active += 1
        try:
            self._check(scope)
            answer.body = _Bounded(receive, self._limits)
            await self._inner(scope, answer.body, answer)
        except Refused as refused:
            await answer.refuse(refused)
        finally:
            self._active -= 1

    def _check(self, scope: Scope) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        if kind != FORM:
            raise Refused(415, f"content type {kind or 'none'!r}; expected {FORM} with one or several `files`.")
        length = headers.get(b"content-length", b"0").decode("latin-1")
        if length.isdigit() and int(length) > self._limits.request_bytes:
            raise _too_large(self._limits)


def _too_large(limits: Limits) -> Refused:
    return Refused(413, f"the request is larger than {limits.request_bytes:,} bytes; send fewer or smaller images.")


class _Bounded:
    """The body of a request, as long as it is small enough and comes in fast enough.

    Attributes:
        refused: why reading has ended early; parsers of forms turn what is raised here into an error of their own.
    """

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive, self._limits = receive, limits
        self._deadline = time.monotonic() + limits.reading_s
        self._read, self._whole = 0, False
        self.refused: Refused | None = None

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._deadline - time.monotonic()))
        except TimeoutError:
            self.refused = Refused(408, f"the images did not come in within {self._limits.reading_s:g} s; send them again.")
            raise self.refused from None
        self._read += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._read > self._limits.request_bytes:
            self.refused = _too_large(self._limits)
            raise self.refused
        return message


class _Answer:
    """`send`, remembering the status; a body that was refused is answered so, whatever the application makes of it.

    Attributes:
        body: of the request, where it is bounded.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self.body: _Bounded | None = None
        self._replaced = False

    async def __call__(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start" and self.body is not None and self.body.refused is not None:
            await self.refuse(self.body.refused)
            self._replaced = True
            return
        await self._pass(message)

    async def refuse(self, refused: Refused) -> None:
        if self.status is not None:
            return  # an answer has begun already
        body = json.dumps({"detail": refused.detail}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if refused.status in UNREAD:
            headers.append((b"connection", b"close"))
        if refused.status == 503:
            headers.append((b"retry-after", RETRY_AFTER_S.encode()))
        await self._pass({"type": "http.response.start", "status": refused.status, "headers": headers})
        await self._pass({"type": "http.response.body", "body": body})

    async def _pass(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
