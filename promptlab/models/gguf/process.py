"""A GGUF file behind the ``Model`` protocol: one child process answers, and its end is never the program's end."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import BinaryIO, ClassVar

from promptlab.errors import ModelFault
from promptlab.models.gguf import wire
from promptlab.models.gguf.files import check_file, model_identity
from promptlab.models.gguf.machine import default_threads
from promptlab.models.gguf.native import death_reason, environment
from promptlab.models.values import Capabilities, Fault, FaultKind, Outcome, Request

_AT_ONCE = 64  # requests that are written between two turns of the program's other tasks
_DEATHS = 2  # of the child on one request: then that request is given up
_CRASHES = 3  # requests given up in succession: then the model is given up
_LOG_BYTES = 1_000_000


class GgufModel:
    """A model in a GGUF file, answering in a child process.

    The child is started by the first ``generate``, kept between calls and ended by ``close``. Several ``generate``
    may be open at once: they share the child. When one is closed early while the child is at work on it, the child is
    killed, and started again when needed: no wait, whatever the native code is doing. Belongs to one event loop.

    Args:
        path: The file, as it is to be shown to the person.
        name: The model's name in the workspace.
        context: Tokens of prompt and answer together; None for what the model was trained on, at most 4096.
        threads: Threads that compute; None for all processors but one, and for a single one if the file is small.
        log: Where what the native code prints is appended; None for ``default_log()``.
        reproducible: Give a request the same answer whatever is asked beside it, at some cost of speed.
    """

    capabilities = Capabilities(choices=True, json_schema=True, seed=True, logprobs=True, choice_probabilities=True)

    _plain: ClassVar[bool] = False  # what a processor does not run, it runs for no model

    def __init__(
        self,
        path: Path,
        name: str,
        context: int | None = None,
        threads: int | None = None,
        log: Path | None = None,
        reproducible: bool = False,
    ) -> None:
        self.path = path
        self.name = name
        self._context = context
        self._threads = threads
        self._reproducible = reproducible
        self._log = log or default_log()
        self._identity: str | None = None  # as it was last told to anyone
        self._calls: deque[_Call] = deque()
        self._sent: dict[int, _Job] = {}  # in the order of sending
        self._begun: set[int] = set()  # those of them that the child is at work on
        self._numbers = 0
        self._crashes = 0
        self._child: _Child | None = None
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
    def pid(self) -> int | None:
        """Process id of the child, or None when there is none."""
        return self._child.process.pid if self._child else None

    async def generate(self, requests: Sequence[Request]) -> AsyncIterator[Outcome]:
        """Yield exactly one outcome per request, as they come; faults are outcomes.

        Raises:
            ModelFault: The file cannot be used, the engine is not installed, or the model cannot be loaded.
        """
        call = _Call(requests)
        self._calls.append(call)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        try:
            for _ in requests:
                answer = await call.answers.get()
                if isinstance(answer, Exception):
                    raise answer
                yield answer
        finally:
            self._drop(call)

    async def close(self) -> None:
        """End the child. Open iterators raise ``ModelFault``; the next ``generate`` starts afresh."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.wait([worker])
        self._fail(ModelFault(f"{self.name}: the model was closed before it had answered."))
        await self._end_child()

    async def _work(self) -> None:
        """Keep the child busy until no request waits."""
        try:
            while self._sent or any(call.waiting for call in self._calls):
                child = self._child or await self._start()
                try:
                    await self._exchange(child)
                except _ChildDied:
                    await self._bury(child)
        except Exception as fault:  # whoever waits for an answer must hear of it, even of a programming error
            await self._end_child()
            self._fail(fault)

    async def _exchange(self, child: _Child) -> None:
        """Send what waits, then take one message."""
        while jobs := self._next_jobs():
            await self._ask(child, jobs)
        if not self._sent:
            return
        message = await child.receive()
        if isinstance(message, wire.Begun):
            self._begun.update(message.numbers)
            return
        assert isinstance(message, wire.Answer)
        self._crashes = 0
        self._begun.discard(message.number)
        job = self._sent.pop(message.number, None)
        if job is not None:  # else its iterator was closed, and this answer was already on its way
            job.call.answers.put_nowait(message.outcome)

    def _next_jobs(self) -> list[_Job]:
        """What the child may have now: all that waits of a call, so that it can plan it as a whole.

        A request on which a child died, perhaps through no fault of its own, goes alone, before the others.
        """
        suspects = [job for call in self._calls for job in call.waiting if job.deaths]
        if suspects and not self._sent:
            suspects[0].call.waiting.remove(suspects[0])
            return suspects[:1]
        if suspects or any(job.deaths for job in self._sent.values()):
            return []
        jobs: list[_Job] = []
        call = next((call for call in self._calls if call.waiting), None)
        if call is not None:
            jobs, call.waiting = list(call.waiting), deque()
        return jobs

    async def _ask(self, child: _Child, jobs: Sequence[_Job]) -> None:
        numbers = range(self._numbers, self._numbers + len(jobs))
        self._numbers += len(jobs)
        # All at once: the child may die while they are being written.
        self._sent.update(zip(numbers, jobs, strict=True))
        for begin in range(0, len(jobs), _AT_ONCE):
            part = zip(numbers[begin : begin + _AT_ONCE], jobs[begin : begin + _AT_ONCE], strict=True)
            await child.send(b"".join(self._frame(number, job) for number, job in part))
            await asyncio.sleep(0)
        await child.send(wire.frame(wire.Go()))

    def _frame(self, number: int, job: _Job) -> bytes:
        try:
            return wire.frame(wire.Ask(number, job.request))
        except (ValueError, TypeError, OverflowError) as fault:
            self._sent.pop(number, None)
            job.fail("rejected", f"This request holds something that the local engine cannot take: {fault}.")
            return b""

    async def _bury(self, child: _Child) -> None:
        """The child is gone: give up a request that two died on, and let the others wait for the next child."""
        await self._end_child()
        begun = [job for number, job in self._sent.items() if number in self._begun]
        unfinished = list(self._sent.values())
        self._sent.clear()
        self._begun.clear()
        if not child.abandoned and not self._can_be_plainer(child):
            for suspect in begun or unfinished:
                suspect.deaths += 1
                if suspect.deaths == _DEATHS:  # the second time it was alone
                    unfinished.remove(suspect)
                    self._crashes += 1
                    suspect.fail(
                        "crashed",
                        f"{self.name}: the model's process died {_DEATHS} times on this request ({child.reason()}). "
                        f"What it printed is in {self._log}.",
                    )
        for job in reversed(unfinished):
            job.call.waiting.appendleft(job)
        if self._crashes == _CRASHES:
            self._crashes = 0
            self._give_up(child.reason())

    def _give_up(self, reason: str) -> None:
        for call in self._calls:
            while call.waiting:
                call.waiting.popleft().fail(
                    "unavailable",
                    f"{self.name}: the model's process died on {_CRASHES} requests in succession ({reason}), "
                    f"so the others were not tried. What it printed is in {self._log}.",
                )

    def _can_be_plainer(self, child: _Child) -> bool:
        """Whether the next child can avoid what this one died of.

        Some virtual machines announce a matrix unit (AMX) whose instructions they do not run.
        """
        if child.process.returncode != -signal.SIGILL or self._plain:
            return False
        GgufModel._plain = True
        return True

    async def _start(self) -> _Child:
        """A child with the model loaded."""
        await asyncio.to_thread(self._check_file)
        if importlib.util.find_spec("llama_cpp") is None:
            raise ModelFault(
                f"{self.path}: the local engine is not installed. Install it: pip install 'promptlab-tui[local]' "
                "(it compiles for some minutes and needs a C++ compiler)."
            )
        threads = self._threads or default_threads(self.path.stat().st_size)
        load = wire.Load(os.fsencode(self.path.absolute()), self._context, threads, self._plain, self._reproducible)
        try:
            with open_log(self._log) as log:
                self._child = child = await _Child.spawn(log)  # kept at once: close() ends it even while it loads
        except OSError as fault:
            raise ModelFault(
                f"{self.path}: the model's process cannot be started ({fault.strerror or fault})."
            ) from None
        try:
            await child.send(wire.frame(load))
            loaded = await child.receive()
        except _ChildDied:
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

    def _drop(self, call: _Call) -> None:
        """Nobody waits for this call's answers any more."""
        if call in self._calls:
            self._calls.remove(call)
        at_work = [number for number, job in self._sent.items() if job.call is call]
        for number in at_work:
            del self._sent[number]
            self._begun.discard(number)
        if at_work and self._child is not None:
            self._child.abandon()

    def _fail(self, fault: Exception) -> None:
        for call in self._calls:
            call.waiting.clear()
            call.answers.put_nowait(fault)
        self._sent.clear()
        self._begun.clear()

    async def _end_child(self) -> None:
        if self._child is not None:
            await self._child.end()
            self._child = None  # only now: if this is cancelled, close() has it still to end


class _Call:
    """One ``generate``: its requests that wait, and the answers that its iterator has not taken yet."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.answers: asyncio.Queue[Outcome | Exception] = asyncio.Queue()
        self.waiting = deque(_Job(self, request) for request in requests)


class _Job:
    """One request of a call, and how often the child died on it."""

    def __init__(self, call: _Call, request: Request) -> None:
        self.call = call
        self.request = request
        self.deaths = 0

    def fail(self, kind: FaultKind, message: str) -> None:
        outcome = Outcome(key=self.request.key, finish="error", fault=Fault(kind, message))
        self.call.answers.put_nowait(outcome)


class _ChildDied(Exception):
    """The pipe to the child is broken."""


class _Child:
    """A running child process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.abandoned = False

    @classmethod
    async def spawn(cls, log: BinaryIO) -> _Child:
        """Start Python without the working directory on its path: a file there must not pass for a module."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "promptlab.models.gguf.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=environment(),
            start_new_session=True,  # Ctrl-C in the terminal is the program's to handle
        )
        return cls(process)

    async def send(self, frame: bytes) -> None:
        """Cannot wait for long: the child reads ahead of its answers."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(frame)
            await self.process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise _ChildDied from None

    async def receive(self) -> wire.FromChild:
        assert self.process.stdout is not None
        try:
            return await wire.receive_answer(self.process.stdout)
        except asyncio.IncompleteReadError:
            raise _ChildDied from None

    def abandon(self) -> None:
        """End it at once: nobody waits for what it does."""
        self.abandoned = True
        self._kill()

    def _kill(self) -> None:
        # Not process.kill(): that may reap the child, and asyncio would never learn its exit code.
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Kill it unless it is gone, and wait until nothing is left of it. The exit code of its own death stays."""
        self._kill()
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.communicate()

    def reason(self) -> str:
        return death_reason(self.process.returncode or 0)


def default_log() -> Path:
    """``gguf.log`` in ``PROMPTLAB_LOG_DIR``, or in the user's folder for logs."""
    folder = os.environ.get("PROMPTLAB_LOG_DIR")
    if folder:
        return Path(folder, "gguf.log")
    import platformdirs

    return Path(platformdirs.user_log_dir("promptlab", appauthor=False), "gguf.log")


def open_log(path: Path) -> BinaryIO:
    """For appending, begun again when it is large; nowhere when it cannot be written: a log must not stop a run."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > _LOG_BYTES:
            path.unlink()
        return path.open("ab")
    except OSError:
        return open(os.devnull, "ab")
