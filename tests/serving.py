"""An OpenAI-compatible server in a process of its own: fast, with faults by chance, and with a memory of its own.

    with Serving(latency=0.05, most=100, faults={"500": 0.05}) as server:
        ...                                       # talk to server.base_url
        print(server.stats()["requests"])

It answers ``OK``, or what stands between ``[`` and ``]`` in the last user message. What it answered to whom, and
when, is counted where no client can change it: also which answers reached nobody, since who had asked was gone, and
which lay unread when who had asked was killed (the system then resets the connection). In its errors it repeats the
key that it was sent. Standard library only; ``python tests/serving.py '{}'`` runs it alone.
"""

from __future__ import annotations

import asyncio
import json
import random
import select
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from types import TracebackType
from typing import Any, Self

HANGS = 3600.0


class Serving:
    """The server as a child process. See the module and :class:`Service` for what ``options`` may be."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def __enter__(self) -> Self:
        command = [sys.executable, __file__, json.dumps(self._options)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def stats(self) -> dict[str, Any]:
        """What it counted so far."""
        with urllib.request.urlopen(f"{self.base_url}/stats") as response:
            return json.loads(response.read())


class Service:
    """What every connection shares.

    Args:
        latency: Seconds before every answer.
        most: Requests in flight above which one is refused with 429; 0: any number.
        faults: Share of requests that meet each fault: ``400``, ``500``, ``drop``, ``malformed``, ``hang``.
        unwanted: A text with one of these words is always refused with 400.
        burst: Every so many requests the next twenty are refused with 429 and Retry-After; 0: never.
        seed: Of the chance.
    """

    def __init__(
        self,
        latency: float = 0.0,
        most: int = 0,
        faults: dict[str, float] | None = None,
        unwanted: tuple[str, ...] = (),
        burst: int = 0,
        seed: int = 0,
    ) -> None:
        self.latency = latency
        self.most = most
        self.faults = faults or {}
        self.unwanted = unwanted
        self.burst = burst
        self.chance = random.Random(seed)
        self.requests = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.met: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.answers: dict[str, list[float]] = {}
        self.unread: dict[str, list[float]] = {}
        self.tokens = [0, 0]

    def stats(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "faults": dict(self.met),
            "most_in_flight": self.most_in_flight,
            "asked": dict(self.asked),
            "answers": self.answers,
            "unread": self.unread,
            "tokens": self.tokens,
        }

    def fate(self, text: str) -> str:
        """What becomes of the next request: a fault, or "" for an answer."""
        self.requests += 1
        if any(word in text for word in self.unwanted):
            return "400"
        if self.burst and self.requests % self.burst < 20 and self.requests > self.burst:
            return "429"
        point = self.chance.random()
        for fault, share in self.faults.items():
            if point < share:
                return fault
            point -= share
        return ""


def answer_to(text: str) -> str:
    _, opened, rest = text.partition("[")
    inside, closed, _ = rest.partition("]")
    return inside if opened and closed else "OK"


class Connection(asyncio.Protocol):
    """One keep-alive connection; a client sends one request at a time."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.buffer = bytearray()
        self.answered = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and self.answered:
            self.lose(self.answered, self.service.answers[self.answered].pop())

    def lose(self, text: str, at: float) -> None:
        """An answer that nobody read."""
        self.service.unread.setdefault(text, []).append(at)

    @property
    def deserted(self) -> bool:
        """Whether the other side is gone."""
        if self.transport.is_closing():
            return True
        there = select.poll()
        there.register(self.transport.get_extra_info("socket").fileno(), select.POLLRDHUP)
        return bool(there.poll(0))

    def data_received(self, data: bytes) -> None:
        self.answered = ""
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.buffer[:end]).lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        body = bytes(self.buffer[end + 4 : end + 4 + length])
        del self.buffer[: end + 4 + length]
        if head.startswith(b"get"):
            self.send(200, json.dumps(self.service.stats()).encode())
        else:
            line = next((one for one in head.split(b"\r\n") if one.startswith(b"authorization:")), b"")
            self.key = line.rpartition(b" ")[2].decode()
            self.receive(body)

    def receive(self, body: bytes) -> None:
        service = self.service
        text = json.loads(body)["messages"][-1]["content"]
        service.asked[text] += 1
        fate = service.fate(text)
        service.in_flight += 1
        service.most_in_flight = max(service.most_in_flight, service.in_flight)
        if fate == "" and service.most and service.in_flight > service.most:
            fate = "429"
        if fate:
            service.met[fate] += 1
        if service.latency or fate == "hang":
            delay = HANGS if fate == "hang" else service.latency
            asyncio.get_running_loop().call_later(delay, self.reply, text, fate)
        else:
            self.reply(text, fate)

    def reply(self, text: str, fate: str) -> None:
        service = self.service
        service.in_flight -= 1
        match fate:
            case "500":
                self.send(500, f'{{"error": {{"message": "out of luck, {self.key}"}}}}'.encode())
            case "400":
                self.send(400, f'{{"error": {{"message": "not from you, {self.key}"}}}}'.encode())
            case "429":
                wait = "0.1" if service.burst else "0"
                self.send(429, b'{"error": {"message": "slow down"}}', f"Retry-After: {wait}\r\n")
            case "malformed":
                self.send(200, f'{{"choices": [{{"{self.key}'.encode())
            case "drop" | "hang":
                self.transport.abort()
            case _:
                self.answer(text)

    def answer(self, text: str) -> None:
        service = self.service
        reply = answer_to(text)
        tokens = [len(text) // 4 + 7, len(reply) // 4 + 1]
        service.tokens = [a + b for a, b in zip(service.tokens, tokens, strict=True)]
        usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
        choice = {"index": 0, "message": {"role": "assistant", "content": reply}, "finish_reason": "stop"}
        if self.deserted:
            return self.lose(text, time.time())
        service.answers.setdefault(text, []).append(time.time())
        self.answered = text
        self.send(200, json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode())

    def send(self, status: int, body: bytes, extra: str = "") -> None:
        if not self.transport.is_closing():
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            self.transport.write(f"{head}{extra}\r\n".encode() + body)


async def main(options: dict[str, Any]) -> None:
    service = Service(**options)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(service), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
