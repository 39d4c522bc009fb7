"""A client that knows the limit of a server and does nothing but keep so many requests in flight: the most there is.

It encodes, sends and finds the end of an answer, and nothing else, over connections that are open before.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from urllib.parse import urlsplit


class _Connection(asyncio.Protocol):
    def __init__(self, texts: Iterator[str]) -> None:
        self.texts = texts
        self.buffer = b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self) -> None:
        text = next(self.texts, None)
        if text is None:
            self.transport.close()
            return
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, _, body = self.buffer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) == length:
            assert b" 200 " in head[:16], head
            self.buffer = b""
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


async def _ask_all(port: int, texts: Iterator[str], at_once: int) -> None:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: _Connection(texts), "127.0.0.1", port) for _ in range(at_once)]
    for _, connection in made:
        connection.ask()
    await asyncio.gather(*(connection.ended for _, connection in made))


def ask_steadily(base_url: str, texts: list[str], at_once: int) -> None:
    """Have all texts answered, always so many of them at once."""
    port = urlsplit(base_url).port
    assert port is not None
    asyncio.run(_ask_all(port, iter(texts), at_once))
