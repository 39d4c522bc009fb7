"""Ways to put one plan through one GGUF file: promptlab, a loop over llama-cpp-python, and llama-server.

All of them ask the same messages, greedy, with as many threads and with the same kernels. What each took is told in
wall seconds and in CPU seconds of the process that computes.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import llama_cpp

from promptlab.models.cache import Cache
from promptlab.models.gguf.process import GgufModel
from promptlab.models.values import Request
from promptlab.runs.execute import execute
from promptlab.runs.journal import open_journal
from promptlab.runs.means import Means
from promptlab.runs.values import CellDone, Plan
from promptlab.workspace.values import Message, Params

CONTEXT = 1024
"""Tokens that a prompt and its answer may take together."""

TIMED = 5
"""Requests that a loop is timed on, of each column: its first one, and the mean of the others for all others."""

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Setting:
    """What all contenders have in common.

    Attributes:
        plain: Keep to the kernels of the plain instruction set: no rearranged weights, no matrix unit.
    """

    path: Path
    threads: int
    plain: bool


@dataclass(frozen=True)
class Spent:
    """What the answers to a plan cost, and how many tokens they have."""

    wall: float
    cpu: float
    tokens: int


def requests_of(plan: Plan) -> list[Request]:
    """What the plan asks, column by column."""
    return [cell.request for cell in plan.cells if cell.request is not None]


def by_column(plan: Plan) -> list[list[Request]]:
    """What the plan asks, one list a column."""
    cells = sorted(plan.cells, key=lambda cell: cell.column)
    columns = groupby(cells, key=lambda cell: cell.column)
    return [[cell.request for cell in group if cell.request is not None] for _, group in columns]


class Watch:
    """Wall seconds, and CPU seconds of this process and perhaps another one, since it was made."""

    def __init__(self, pid: int | None = None, own: bool = True) -> None:
        self._pid = pid
        self._own = own
        self._wall, self._cpu = time.perf_counter(), self._now()

    def _now(self) -> float:
        spent = time.process_time() if self._own else 0.0
        if self._pid is not None:
            fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
            spent += (int(fields[11]) + int(fields[12])) / _TICKS
        return spent

    def stop(self, tokens: int) -> Spent:
        return Spent(time.perf_counter() - self._wall, self._now() - self._cpu, tokens)


def promptlab(setting: Setting, plans: Sequence[Plan], folder: Path, reproducible: bool = False) -> Spent:
    """Run plans one after the other as a person's runs are, journal and cache included; what the last one took."""

    async def main() -> Spent:
        model = GgufModel(
            setting.path, "mini", CONTEXT, setting.threads, log=folder / "gguf.log", reproducible=reproducible
        )
        cache = Cache(folder / "cache")
        spent = None
        try:
            await _answered(model, [Request("warm", (Message("user", "Hello"),), Params(max_tokens=2))])
            for plan in plans:
                journal = await asyncio.to_thread(open_journal, folder / "state", plan)
                watch = Watch(model.pid)
                tokens = 0
                async for event in execute(plan, Means({"mini": model}, cache, journal, stop=asyncio.Event())):
                    if isinstance(event, CellDone):
                        assert event.outcome.fault is None
                        tokens += event.outcome.usage.completion
                spent = watch.stop(tokens)
        finally:
            await model.close()
            cache.close()
        assert spent is not None
        return spent

    GgufModel._plain = setting.plain
    return asyncio.run(main())


def prompt_rate(setting: Setting, folder: Path) -> tuple[float, float]:
    """Prompt tokens that promptlab evaluates in a wall second and in a CPU second, nothing shared, steps full."""
    asked = [
        Request(str(number), (Message("user", f"{number} " + "the parcel is late " * 60),), Params(max_tokens=1))
        for number in range(1, 9)
    ]

    async def main() -> Spent:
        model = GgufModel(setting.path, "mini", CONTEXT, setting.threads, log=folder / "gguf.log")
        try:
            await _answered(model, [Request("warm", (Message("user", "Hello"),), Params(max_tokens=2))])
            watch = Watch(model.pid)
            return watch.stop(await _answered(model, asked))
        finally:
            await model.close()

    GgufModel._plain = setting.plain
    spent = asyncio.run(main())
    return spent.tokens / spent.wall, spent.tokens / spent.cpu


async def _answered(model: GgufModel, asked: Sequence[Request]) -> int:
    """How many prompt tokens they had. An answer that did not come is no fast one: it ends the measurement."""
    outcomes = [outcome async for outcome in model.generate(asked)]
    faults = [outcome.fault.message for outcome in outcomes if outcome.fault]
    assert not faults, faults[0]
    return sum(outcome.usage.prompt for outcome in outcomes)


@contextmanager
def _kernels(plain: bool) -> Iterator[None]:
    """The loop's models are loaded without rearranged weights: its class has no argument for that."""
    original = llama_cpp.llama_model_default_params

    def params() -> object:
        found = original()
        found.use_extra_bufts = not plain
        return found

    llama_cpp.llama_cpp.llama_model_default_params = params
    try:
        yield
    finally:
        llama_cpp.llama_cpp.llama_model_default_params = original


def loop(setting: Setting, plan: Plan, *, reset: bool) -> Spent:
    """A loop over all requests, reckoned from the first ones of every column."""
    with _kernels(setting.plain):
        model = llama_cpp.Llama(
            str(setting.path),
            n_ctx=CONTEXT,
            n_threads=setting.threads,
            n_threads_batch=setting.threads,
            verbose=False,
        )

    def ask(request: Request) -> Spent:
        watch = Watch()
        if reset:
            model.reset()
            model._ctx.kv_cache_clear()
        answer = model.create_chat_completion(
            [{"role": message.role, "content": message.content} for message in request.messages],
            temperature=0.0,
            max_tokens=request.params.max_tokens,
        )
        return watch.stop(answer["usage"]["completion_tokens"])

    ask(Request("warm", (Message("user", "Hello"),), Params(max_tokens=2)))
    wall = cpu = tokens = 0.0
    for column in by_column(plan):
        first, *others = [ask(request) for request in column[:TIMED]]
        share = (len(column) - 1) / len(others)
        wall += first.wall + share * sum(one.wall for one in others)
        cpu += first.cpu + share * sum(one.cpu for one in others)
        tokens += first.tokens + share * sum(one.tokens for one in others)
    model.close()
    return Spent(wall, cpu, round(tokens))


@dataclass
class Server:
    """A llama-server with its prompt cache on, asked over HTTP by an async client that keeps every slot busy."""

    setting: Setting
    slots: int
    program: Path
    log: Path
    port: int = field(default=0, init=False)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __enter__(self) -> Server:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        options = [
            *("--model", str(self.setting.path), "--host", "127.0.0.1", "--port", str(self.port)),
            *("--parallel", str(self.slots), "--ctx-size", str(CONTEXT * self.slots)),
            *("--threads", str(self.setting.threads), "--threads-batch", str(self.setting.threads)),
            *("--threads-http", str(self.slots + 8), "--no-webui"),
            *(["--no-repack"] if self.setting.plain else []),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([self.program, *options], stdout=log, stderr=log)
        try:
            asyncio.run(self._until_ready())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def run(self, plan: Plan) -> Spent:
        """Answer a plan."""
        assert self.process is not None
        watch = Watch(self.process.pid, own=False)
        return watch.stop(asyncio.run(self._answer(requests_of(plan))))

    async def _until_ready(self) -> None:
        for _ in range(300):
            assert self.process is not None
            assert self.process.poll() is None, f"llama-server ended: see {self.log}"
            try:
                await self._ask(Request("warm", (Message("user", "Hello"),), Params(max_tokens=2)))
            except (OSError, KeyError, ValueError):  # not listening yet, or still loading
                await asyncio.sleep(0.1)
            else:
                return
        raise AssertionError(f"llama-server does not answer: see {self.log}")

    async def _answer(self, asked: Sequence[Request]) -> int:
        """Tokens of all answers. A few more requests than slots are open: the next one always waits in the queue."""
        gate = asyncio.Semaphore(self.slots + 4)

        async def one(request: Request) -> int:
            async with gate:
                return await self._ask(request)

        return sum(await asyncio.gather(*(one(request) for request in asked)))

    async def _ask(self, request: Request) -> int:
        """Tokens of one answer. The sampler is the server's cheapest."""
        body = json.dumps(
            {
                "messages": [{"role": message.role, "content": message.content} for message in request.messages],
                "max_tokens": request.params.max_tokens,
                "temperature": 0.0,
                "samplers": ["top_k"],
                "top_k": 1,
                "cache_prompt": True,
            }
        ).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(head.encode() + body)
            answer = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
        finally:
            writer.close()
        return int(answer["usage"]["completion_tokens"])
