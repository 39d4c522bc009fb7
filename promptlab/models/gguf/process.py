"""A GGUF file behind the ``Model`` protocol: one child process answers, and its end is never the program's end."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
from array import array
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import ClassVar

from promptlab.errors import ModelFault
from promptlab.models.gguf import resident, wire
from promptlab.models.gguf.calls import DEATHS, Asked, Calls
from promptlab.models.gguf.files import check_file, model_identity
from promptlab.models.gguf.grammar import SCHEMA_RULES
from promptlab.models.gguf.machine import default_threads
from promptlab.models.gguf.spawned import Child, ChildDied, default_log, open_log
from promptlab.models.values import Capabilities, Fault, Outcome, Request, Spend, Watch

_PATIENCE = 0.08  # seconds that the child has to give up requests
_AT_ONCE = 64  # requests that are written between two turns of the program's other tasks
_CRASHES = 3  # requests given up in succession: then the model is given up


class GgufModel:
    """A model in a GGUF file, answering in a child process.

    The child is started by the first ``generate``, kept between calls and ended by ``close``. Several ``generate``
    may be open at once: they share the child. When one is closed early, the child gives up its requests between two
    steps and keeps what it has in memory; one that is in the midst of a longer step is killed, and started again when
    needed. Nobody waits for either. Belongs to one event loop.

    Args:
        path: The file, as it is to be shown to the person.
        name: The model's name in the workspace.
        context: Tokens of prompt and answer together; None for what the model was trained on, at most 4096.
        threads: Threads that compute; None for all processors but one, and for a single one if the file is small.
        log: Where what the native code prints is appended; None for ``default_log()``.
        batch: Answers to write at once, where memory allows; None for 16.
        reproducible: Give a request the same answer whatever is asked beside it, at some cost of speed.
    """

    capabilities = Capabilities(
        choices=True,
        json_schema=True,
        schema_rules=SCHEMA_RULES,
        seed=True,
        logprobs=True,
        choice_probabilities=True,
        streaming=True,
        embeddings=True,
    )

    _plain: ClassVar[bool] = False  # what a processor does not run, it runs for no model

    def __init__(
        self,
        path: Path,
        name: str,
        context: int | None = None,
        threads: int | None = None,
        log: Path | None = None,
        batch: int | None = None,
        reproducible: bool = False,
    ) -> None:
        self.path = path
        self.name = name
        self._context = context
        self._threads = threads
        self._batch = batch
        self._reproducible = reproducible
        self._log = log or default_log()
        self._identity: str | None = None  # as it was last told to anyone
        self._calls = Calls()
        self._crashes = 0
        self._tickets = 0
        self._dropping: set[int] = set()  # tickets that the child has not returned
        self._child: Child | None = None
        self._worker: asyncio.Task[None] | None = None

    @property
    def identity(self) -> str:
        """``gguf:`` and 16 hex digits of the file's digest.

        The first call reads the file: make it in a worker thread when the file is large.

        Raises:
            ModelFault: The file cannot be read or is no GGUF file.
        """
        self._identity = model_identity(self.path, self._reproducible)
        return self._identity

    @property
    def size(self) -> int:
        """Bytes of the file; 0 when it is gone."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return self._calls.idle

    @property
    def pid(self) -> int | None:
        """Process id of the child, or None when there is none."""
        return self._child.process.pid if self._child else None

    async def generate(self, requests: Sequence[Request], watch: Watch | None = None) -> AsyncIterator[Outcome]:
        """Yield exactly one outcome per request, as they come; faults are outcomes.

        ``watch`` hears of texts that grow, some times a second; texts of equal requests grow together.

        Raises:
            ModelFault: The file cannot be used, the engine is not installed, or the model cannot be loaded.
        """
        call = self._calls.open(requests, watch)
        self._wake()
        try:
            for _ in range(len(requests)):
                answer = await call.answers.get()
                if isinstance(answer, Exception):
                    raise answer
                assert isinstance(answer, Outcome)
                yield answer
        finally:
            self._give_up(self._calls.drop(call))

    async def embed(self, texts: Sequence[str], spend: Spend | None = None) -> list[tuple[float, ...]]:
        """The vector of each text, of length 1. The same text gives the same vector whatever stands beside it.

        Raises:
            ModelFault: As ``generate``; also where the model gives no embeddings, or a text is empty or too long.
        """
        different = list(dict.fromkeys(texts))
        call = self._calls.open(different)
        self._wake()
        found: dict[str, tuple[float, ...]] = {}
        try:
            while len(found) < len(different):
                answer = await call.answers.get()
                if isinstance(answer, Exception):
                    raise answer
                if isinstance(answer, Outcome):
                    assert answer.fault is not None
                    raise ModelFault(f"{self.name}: {answer.fault.message}")
                text, vector = answer
                found[text] = tuple(array("f", vector))
        finally:
            self._give_up(self._calls.drop(call))
        return [found[text] for text in texts]

    def _wake(self) -> None:
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())

    def prepare(self) -> None:
        """Load ahead of the first ``generate``, if the machine has room beside the models that are loaded."""
        if self._child is None and (self._worker is None or self._worker.done()):
            self._worker = asyncio.create_task(self._work(ahead=True))

    async def close(self) -> None:
        """End the child. Open iterators raise ``ModelFault``; the next ``generate`` starts afresh."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.wait([worker])
        self._calls.fail(ModelFault(f"{self.name}: the model was closed before it had answered."))
        await self._end_child()

    async def _work(self, ahead: bool = False) -> None:
        """Keep the child busy until no request waits; ``ahead`` of the first one have it ready."""
        try:
            if ahead and resident.has_room(self):
                await self._start()
            while self._calls.any or self._dropping:
                child = await self._ready()
                try:
                    await self._exchange(child)
                except ChildDied:
                    await self._bury(child)
        except Exception as fault:  # whoever waits for an answer must hear of it, even of a programming error
            await self._end_child()
            self._calls.fail(fault)

    async def _ready(self) -> Child:
        """A child with the model loaded. One that died while nothing was asked is no request's fault."""
        if self._child is not None and self._child.process.returncode is not None and not self._calls.sent:
            await self._end_child()
        return self._child or await self._start()

    async def _exchange(self, child: Child) -> None:
        """Send what waits, then take one message."""
        while some := self._calls.next():
            await self._ask(child, some)
        if not (self._calls.sent or self._dropping):
            return
        match await child.receive():
            case wire.Begun(numbers):
                self._calls.begun.update(numbers)
            case wire.Wrote(texts, tokens):
                self._calls.tell(texts, tokens)
            case wire.Dropped(ticket):
                self._dropping.discard(ticket)
            case wire.Answer(number, outcome):
                self._crashes = 0
                asked = self._calls.done(number)
                if asked is not None:  # else its iterator was closed, and this answer was already on its way
                    asked.call.answers.put_nowait(outcome)
            case wire.Vector(number, found):
                self._crashes = 0
                asked = self._calls.done(number)
                if asked is not None and isinstance(asked.request, str) and isinstance(found, bytes):
                    asked.call.answers.put_nowait((asked.request, found))
                elif asked is not None and isinstance(found, Fault):
                    asked.fail(found.kind, found.message)
            case unexpected:
                raise AssertionError(f"{unexpected} to a model that is loaded")

    def _give_up(self, numbers: Sequence[int]) -> None:
        """Take requests back from the child; in the midst of a long step it would not hear of it in time."""
        child = self._child
        if not numbers or child is None:
            return
        self._tickets = ticket = self._tickets + 1
        self._dropping.add(ticket)
        child.post(wire.frame(wire.Drop(ticket, tuple(numbers))))
        asyncio.get_running_loop().call_later(
            _PATIENCE, lambda: child.abandon() if ticket in self._dropping else None
        )

    async def _ask(self, child: Child, some: Sequence[Asked]) -> None:
        numbers = self._calls.send(some)
        for begin in range(0, len(some), _AT_ONCE):
            part = zip(numbers[begin : begin + _AT_ONCE], some[begin : begin + _AT_ONCE], strict=True)
            # Some may have been given up while others were being written.
            left = [(number, asked) for number, asked in part if number in self._calls.sent]
            await child.send(b"".join(self._frame(number, asked) for number, asked in left))
            await asyncio.sleep(0)
        await child.send(wire.frame(wire.Go(watched=some[0].call.watch is not None)))

    def _frame(self, number: int, asked: Asked) -> bytes:
        try:
            if isinstance(asked.request, str):
                return wire.frame(wire.Embed(number, asked.request))
            return wire.frame(wire.Ask(number, asked.request))
        except (ValueError, TypeError, OverflowError) as fault:
            self._calls.done(number)
            asked.fail("rejected", f"This request holds something that the local engine cannot take: {fault}.")
            return b""

    async def _bury(self, child: Child) -> None:
        """The child is gone: give up a request that two died on, and let the others wait for the next child."""
        await self._end_child()
        blamed = not child.abandoned and not self._can_be_plainer(child)
        if blamed:
            self._calls.tell_death(child.reason())
        for suspect in self._calls.take_back(blamed):
            self._crashes += 1
            suspect.fail(
                "crashed",
                f"{self.name}: the model's process died {DEATHS} times on this request ({child.reason()}). "
                f"What it printed is in {self._log}.",
            )
        if self._crashes == _CRASHES:
            self._crashes = 0
            self._calls.give_up(
                f"{self.name}: the model's process died on {_CRASHES} requests in succession ({child.reason()}), "
                f"so the others were not tried. What it printed is in {self._log}."
            )

    def _can_be_plainer(self, child: Child) -> bool:
        """Whether the next child can avoid what this one died of.

        Some virtual machines announce a matrix unit (AMX) whose instructions they do not run.
        """
        if child.process.returncode != -signal.SIGILL or self._plain:
            return False
        GgufModel._plain = True
        return True

    async def _start(self) -> Child:
        """A child with the model loaded."""
        await asyncio.to_thread(self._check_file)
        if importlib.util.find_spec("llama_cpp") is None:
            raise ModelFault(
                f"{self.path}: the local engine is not installed. Install it: pip install 'promptlab-tui[local]' "
                "(it compiles for some minutes and needs a C++ compiler)."
            )
        await resident.make_room(self)
        threads = self._threads or default_threads(self.size)
        load = wire.Load(
            os.fsencode(self.path.absolute()), self._context, threads, self._plain, self._batch, self._reproducible
        )
        try:
            with open_log(self._log) as log:
                self._child = child = await Child.spawn(log)  # kept at once: close() ends it even while it loads
                resident.enter(self)
        except OSError as fault:
            raise ModelFault(
                f"{self.path}: the model's process cannot be started ({fault.strerror or fault})."
            ) from None
        try:
            await child.send(wire.frame(load))
            loaded = await child.receive()
        except ChildDied:
            await self._end_child()
            if self._can_be_plainer(child):
                return await self._start()
            raise ModelFault(
                f"{self.path}: the model's process died while it loaded the file ({child.reason()}). "
                f"What it printed is in {self._log}."
            ) from None
        if isinstance(loaded, wire.LoadFailed):
            raise ModelFault(f"{self.path}: {loaded.reason}")
        return child

    def _check_file(self) -> None:
        if self._identity is None:
            check_file(self.path)
        elif self._identity != model_identity(self.path, self._reproducible):
            # Its answers would be kept under the name of another file's.
            raise ModelFault(f"{self.path}: the file has changed since this run was planned. Start the run again.")

    async def _end_child(self) -> None:
        if self._child is not None:
            await self._child.end()
            self._dropping.clear()
            resident.leave(self)
            self._child = None  # only now: if this is cancelled, close() has it still to end
