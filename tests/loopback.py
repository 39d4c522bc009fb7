"""A small OpenAI-compatible server on the loopback address, with failures on demand, for any room's tests.

    with LoopbackServer(reply=echo) as server:
        server.next(status(429, retry_after="0"), drop())     # the first two requests fail
        ...                                                   # talk to server.base_url
        assert server.count["the last user message"] == 3

It runs in a thread of its own on a free port; standard library only.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it. ``text`` is the last user message."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def text(self) -> str:
        users = [one["content"] for one in self.body.get("messages", ()) if one["role"] == "user"]
        return users[-1] if users else ""


@dataclass(frozen=True)
class Answer:
    """What to send back: made by the functions below.

    Attributes:
        cut: Send only so many bytes of the body, then close. -1: close without a word. None: send it all.
        delay: Seconds to wait before it.
        pause: Seconds between two pieces of an event stream; 0 sends all of it at once.
        halt: With a pause: after so many pieces the others wait until the server is told to let go.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut: int | None = None
    delay: float = 0.0
    pause: float = 0.0
    halt: int | None = None


def echo(text: str) -> str:
    """A reply function that repeats the last user message."""
    return text


def completion(text: str | None, *, usage: Mapping[str, Any] | None = None, **choice: Any) -> Answer:
    """A well-formed answer. ``choice`` replaces keys of the choice, such as finish_reason or message."""
    tokens = max(1, len(text or "") // 4)
    return raw(
        {
            "id": "chatcmpl-loopback",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "loopback",
            "system_fingerprint": "loopback-1",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", **choice}
            ],
            "usage": usage or {"prompt_tokens": 8, "completion_tokens": tokens, "total_tokens": 8 + tokens},
        }
    )


def raw(body: bytes | Mapping[str, Any] | list[Any], *, cut: int | None = None) -> Answer:
    """Status 200 with any body: malformed JSON, missing choices, something huge."""
    return Answer(body=body if isinstance(body, bytes) else json.dumps(body).encode(), cut=cut)


def written(*pieces: str, pause: float = 0.0, cut: int | None = None, halt: int | None = None) -> Answer:
    """An answer as an event stream, a token a piece."""
    choices = [{"delta": {"content": piece}} for piece in pieces] + [{"delta": {}, "finish_reason": "stop"}]
    chunks: list[Mapping[str, Any]] = [{"choices": [one]} for one in choices]
    chunks.append({"choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": len(pieces)}})
    lines = [*(json.dumps(one) for one in chunks), "[DONE]"]
    return Answer(body="".join(f"data: {line}\n\n" for line in lines).encode(), cut=cut, pause=pause, halt=halt)


def embeddings(texts: list[str]) -> Answer:
    """A vector for each text, the last text's first: how often it holds each of four letters."""
    rows = [{"index": at, "embedding": [text.count(one) for one in "abcd"]} for at, text in enumerate(texts)]
    return raw({"object": "list", "data": rows[::-1], "usage": {"prompt_tokens": len(texts)}})


def status(code: int, message: str = "scripted failure", *, retry_after: str | None = None) -> Answer:
    """An error as OpenAI sends it."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Answer(code, json.dumps({"error": {"message": message, "code": str(code)}}).encode(), headers)


def drop() -> Answer:
    """Close the connection without an answer."""
    return Answer(cut=-1)


def hang(seconds: float = 60.0) -> Answer:
    """Say nothing for so long (the client gives up before)."""
    return Answer(cut=-1, delay=seconds)


class LoopbackServer:
    """See the module.

    Attributes:
        base_url: ``http://127.0.0.1:PORT/v1``; set by ``start``.
        rule: Asked for every completion before the scripted answers; None lets the request go on.
        asked: Every completion request so far, in order of arrival.
        count: How many completion requests came for each last user message.
        connections: TCP connections accepted.
        most_in_flight: The most requests that were being answered at once.
    """

    def __init__(
        self,
        reply: str | Callable[[str], str] = "OK",
        *,
        latency: float = 0.0,
        key: str | None = None,
        model: str | None = None,
    ) -> None:
        """``reply``: a fixed text or a function of the last user message. ``key``, ``model``: refuse others."""
        self.reply = reply
        self.latency = latency
        self.key = key
        self.model = model
        self.rule: Callable[[Asked], Answer | None] | None = None
        self.asked: list[Asked] = []
        self.count: Counter[str] = Counter()
        self.connections = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.base_url = ""
        self._script: deque[Answer | None] = deque()
        self._held: list[Callable[[], None]] | None = None
        self._halted: list[Callable[[], None]] | None = []
        self._transports: set[asyncio.BaseTransport] = set()

    def next(self, *answers: Answer | None) -> None:
        """Script the next completion requests, in order of arrival; None: as usual."""
        self._script.extend(answers)

    def hold(self) -> None:
        """Keep every answer back from now on."""
        self._held = []

    def let_go(self) -> None:
        """Send what was kept back, and answer as usual from now on."""
        held, self._held = [*(self._held or []), *(self._halted or [])], None
        self._halted = None
        for send in held:
            self._loop.call_soon_threadsafe(send)

    def start(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="loopback", daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def stop(self) -> None:
        """Close every connection and end the thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _serve(self, listener: socket.socket) -> None:
        loop = self._loop
        server = loop.run_until_complete(loop.create_server(lambda: _Connection(self), sock=listener))
        loop.call_soon(self._ready.set)  # from here on a stop is heard
        loop.run_forever()
        server.close()
        for transport in list(self._transports):
            transport.abort()  # type: ignore[attr-defined]
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    def answer(self, asked: Asked) -> Answer:
        """What to send for one request."""
        if asked.method == "GET" and asked.path.endswith("/models"):
            return raw({"object": "list", "data": [{"id": self.model or "loopback", "object": "model"}]})
        if not asked.path.endswith(("/v1/chat/completions", "/v1/embeddings")):
            return status(404, f"no such path: {asked.path}")
        self.asked.append(asked)
        self.count[asked.text] += 1
        if self.rule and (ruled := self.rule(asked)):
            return ruled
        if self._script and (scripted := self._script.popleft()):
            return scripted
        if self.key and asked.headers.get("authorization") != f"Bearer {self.key}":
            return status(401, f"Incorrect API key provided: {asked.headers.get('authorization', '')}")
        if self.model and asked.body.get("model") != self.model:
            return status(404, f"The model `{asked.body.get('model')}` does not exist")
        if asked.path.endswith("/v1/embeddings"):
            return embeddings(asked.body["input"])
        return completion(self.reply if isinstance(self.reply, str) else self.reply(asked.text))


class _Connection(asyncio.Protocol):
    """One keep-alive connection: requests are answered one after the other."""

    def __init__(self, server: LoopbackServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections += 1
        self._server._transports.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server._transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._busy:
            self._read()

    def _read(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = end + 4 + int(headers.get("content-length", "0"))
        if len(self._buffer) < size:
            return
        body = bytes(self._buffer[end + 4 : size])
        del self._buffer[:size]
        method, path, _ = first.split(" ", 2)
        self._busy = True
        self._server.in_flight += 1
        self._server.most_in_flight = max(self._server.most_in_flight, self._server.in_flight)
        answer = self._server.answer(Asked(method, path, headers, json.loads(body) if body else {}))
        if self._server._held is not None:
            self._server._held.append(partial(self._send, answer))
        elif delay := answer.delay + self._server.latency:
            self._server._loop.call_later(delay, self._send, answer)
        else:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        if self._transport.is_closing() or answer.cut == -1:
            self._done(False)
            self._transport.abort()
            return
        headers = {"Content-Type": "application/json", "Content-Length": str(len(answer.body)), **answer.headers}
        head = f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Status')}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        body = answer.body[: answer.cut]
        if answer.pause:
            self._transport.write(head.encode() + b"\r\n")
            self._write_slowly(body, answer, 0)
        else:
            self._transport.write(head.encode() + b"\r\n" + body)
            self._done(answer.cut is None)

    def _write_slowly(self, body: bytes, answer: Answer, count: int) -> None:
        """Piece by piece, until all is written or nobody listens any more; so many were written before."""
        if count == answer.halt and self._server._halted is not None:
            self._server._halted.append(partial(self._write_slowly, body, answer, count))
            return
        piece, end, rest = body.partition(b"\n\n")
        self._transport.write(piece + end)
        if rest and not self._transport.is_closing():
            self._server._loop.call_later(answer.pause, self._write_slowly, rest, answer, count + 1)
        else:
            self._done(answer.cut is None)

    def _done(self, more: bool) -> None:
        """The request is answered; ``more`` may come over this connection."""
        self._server.in_flight -= 1
        self._busy = False
        if more:
            self._read()
        else:
            self._transport.close()
