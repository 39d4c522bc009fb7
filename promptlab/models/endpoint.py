"""Models behind an OpenAI-compatible endpoint: OpenAI, vLLM, llama-server, Ollama, LM Studio and many others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar, cast

from msgspec import structs

from promptlab.errors import ModelFault
from promptlab.models.addresses import (
    Address,
    address_of,
    endpoint_identity,
    key_of,
    key_problem,
    key_variable,
    needs_trust,
)
from promptlab.models.cache import default_folder
from promptlab.models.completions import Reply, body_of, read_reply
from promptlab.models.dialect import PLAIN, Dialect, adapted, recall, remember
from promptlab.models.http_faults import Failure, Party, broken, without_key
from promptlab.models.pace import End, Slot, pace_of
from promptlab.models.pricing import cost_of
from promptlab.models.retry import RetryPolicy
from promptlab.models.streaming import read_stream
from promptlab.models.trust import trust_problem
from promptlab.models.values import FATAL_FAULTS, Capabilities, Fault, Outcome, Request, Traffic, Usage, Watch
from promptlab.workspace.values import ModelEntry

if TYPE_CHECKING:
    from promptlab.models.transport import Wire

_PATH = "/chat/completions"
_LESSONS = 8
"""Rejections that one request may teach something by before it counts as rejected itself."""

_T = TypeVar("_T")


class Endpoint:
    """One model name at one endpoint. Belongs to one event loop.

    How many requests are in flight is found while running (:mod:`promptlab.models.pace`), up to the entry's
    ``concurrency``; connections are used again; what may pass is tried again as the policy says; what the endpoint
    does not take is sent otherwise from then on (:mod:`promptlab.models.dialect`). Once a fault shows that no further
    request can succeed (see ``FATAL_FAULTS``), the rest of that ``generate`` gets the same fault without asking.
    """

    capabilities = Capabilities(json_schema=True, seed=True, elsewhere=True)

    def __init__(self, entry: ModelEntry, *, trusted: bool = False, policy: RetryPolicy | None = None) -> None:
        """Nothing is sent, read or checked before the first ``generate``, but the address.

        Args:
            entry: An entry with ``model``.
            trusted: The person allowed this address to receive the key; see ``registry.needs_trust``.
            policy: How failed requests are tried again.

        Raises:
            ModelFault: When ``base_url`` is no address.
        """
        self.name = entry.name
        self.identity = endpoint_identity(entry)
        self._entry = entry
        self._model = entry.model or ""
        self._address = address_of(entry)
        self._party = _party(entry, self._address)
        self._trusted = trusted
        self._policy = policy or RetryPolicy()
        self._pace = pace_of(self._address.url, key_of(entry), entry.concurrency)
        self._dialect = PLAIN
        self._notices: list[str] = []
        self._retried = 0
        self._wire: Wire | None = None
        self._key = ""
        self._connecting = asyncio.Lock()
        self._answered = False
        self._open: set[_Batch] = set()

    @property
    def traffic(self) -> Traffic:
        """What goes on now; in flight and limit are of all models at this address."""
        return Traffic(self._pace.in_flight, self._pace.limit, self._retried, tuple(self._notices))

    def hold(self, most: int | None) -> None:
        """Have at most so many requests in flight from now on; see :class:`promptlab.models.values.Paced`."""
        self._pace.hold(most)

    async def generate(self, requests: Sequence[Request], watch: Watch | None = None) -> AsyncIterator[Outcome]:
        """Yield exactly one outcome per request, as they come; faults are outcomes. ``watch`` hears nothing.

        Raises:
            ModelFault: The key's variable is not set, or the address is not trusted with the key.
        """
        if not requests:
            return
        wire = await self._connected()
        batch = _Batch(requests)
        batch.begin(self._send_all(wire, batch))
        self._open.add(batch)
        try:
            for _ in requests:
                answer = await batch.answers.get()
                if isinstance(answer, Exception):
                    raise answer
                yield answer
        finally:
            self._open.discard(batch)
            await batch.cancel()

    async def close(self) -> None:
        """Cancel what is in flight (its iterators raise ``ModelFault``) and close the connections."""
        for batch in list(self._open):
            await batch.cancel()
            batch.answers.put_nowait(ModelFault(f"{self.name}: the model was closed before it had answered."))
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()

    async def _connected(self) -> Wire:
        async with self._connecting:
            if self._wire is None:
                if needs_trust(self._entry) and not self._trusted:
                    raise ModelFault(trust_problem(self._entry))
                if problem := key_problem(self._entry):
                    raise ModelFault(problem)
                self._key = key_of(self._entry)
                self._dialect = await asyncio.to_thread(recall, default_folder(), self.identity)
                # A fifth of a second of imports, the first time: not on the loop that draws the screen.
                transport = await asyncio.to_thread(import_module, "promptlab.models.transport")
                self._wire = cast("type[Wire]", transport.Wire)(self._address, self._key, self._party)
            return self._wire

    async def _send_all(self, wire: Wire, batch: _Batch) -> None:
        """Send the batch's requests in order, each as soon as the pace allows."""
        for request in batch.waiting:
            if request.logprobs is not None or request.choice_probabilities:
                fault = Fault("rejected", f"{self.name}: probabilities are read from models in GGUF files only.")
                batch.answers.put_nowait(Outcome(key=request.key, finish="error", fault=fault))
            elif (slot := await batch.idle(self._pace.acquire())) is None:
                batch.fail(request, *batch.waiting)
            else:
                batch.begin(self._answer(wire, request, batch, slot))

    async def _answer(self, wire: Wire, request: Request, batch: _Batch, slot: Slot) -> None:
        """The outcome of one request, after as many tries as the policy allows."""
        attempt, learned = 1, 0
        while True:
            dialect = self._dialect
            body = self._body(request, dialect, slot)
            result, latency = await self._try(wire, body, slot)
            if isinstance(result, Reply):
                batch.answers.put_nowait(self._success(request, result, latency))
                return
            if result.said and learned < _LESSONS and self._learn(dialect, body, result.said):
                learned += 1
            elif self._again(result, attempt):
                self._retried += 1
                await batch.idle(asyncio.sleep(self._policy.delay(request.key, attempt, result.wait)))
                attempt += 1
            else:
                if result.fault.kind in FATAL_FAULTS:
                    batch.stop(result.fault)
                batch.answers.put_nowait(Outcome(key=request.key, finish="error", fault=result.fault))
                return
            if (again := await batch.idle(self._pace.acquire())) is None:
                return batch.fail(request)
            slot = again

    def _body(self, request: Request, dialect: Dialect, slot: Slot) -> dict[str, object]:
        try:
            return body_of(self._model, request, dialect, stream=self._entry.stream)
        except BaseException:
            self._pace.release(slot, "other")
            raise

    def _again(self, failure: Failure, attempt: int) -> bool:
        tries = self._policy.refusals if failure.fault.kind == "rate_limit" else self._policy.retries
        again = failure.again == "always" or (failure.again == "if_answered" and self._answered)
        return again and attempt <= tries

    def _learn(self, dialect: Dialect, body: Mapping[str, object], said: str) -> bool:
        """Take in what a rejection says of the endpoint; False when it is about the request itself."""
        if dialect != self._dialect:
            return True  # another request has learned meanwhile
        lesson = adapted(dialect, body, said)
        if lesson is None:
            return False
        self._dialect, what = lesson
        self._notices.append(f"{self.name}: {self._party.place} {what}.")
        remember(default_folder(), self.identity, self._dialect)
        return True

    async def _try(self, wire: Wire, body: Mapping[str, object], slot: Slot) -> tuple[Reply | Failure, float]:
        """One request and the seconds it took; gives the slot back."""
        end, wait = "other", None
        start = time.perf_counter()
        try:
            try:
                async with asyncio.timeout(self._entry.timeout):
                    result, wait = await self._asked(wire, body)
            except TimeoutError:
                result = broken(self._party, "late")
            took = time.perf_counter() - start
            end = _end_of(result)
            if isinstance(result, Failure):
                wait = result.wait if result.fault.kind in ("rate_limit", "server") else None
                self._answered = self._answered or result.fault.kind != "unavailable"
            else:
                self._answered = True
            return result, took
        finally:
            self._pace.release(slot, end, wait)

    async def _asked(self, wire: Wire, body: Mapping[str, object]) -> tuple[Reply | Failure, float | None]:
        """The reply, and the seconds to wait before the next request where the endpoint's window is used up."""
        if self._entry.stream:
            return self._checked(await read_stream(wire.stream(_PATH, body))), None
        page = await wire.ask(_PATH, body)
        if isinstance(page, Failure):
            return page, None
        return self._checked(read_reply(page.body)), page.renewed if page.free == 0 else None

    def _checked(self, result: Reply | Failure | str) -> Reply | Failure:
        """A reply without the key: an endpoint that repeats it must not get it into a file that is committed."""
        if isinstance(result, str):
            return broken(self._party, "malformed", without_key(result, self._key))
        if isinstance(result, Failure) or self._key not in result.text + result.reasoning + result.fingerprint:
            return result
        parts = {name: without_key(getattr(result, name), self._key) for name in ("text", "reasoning", "fingerprint")}
        return structs.replace(result, **parts)

    def _success(self, request: Request, reply: Reply, latency: float) -> Outcome:
        return Outcome(
            key=request.key,
            text=reply.text,
            finish=reply.finish,
            usage=reply.usage or Usage(),
            latency=latency,
            cost=cost_of(self._entry.price, reply.usage),
            fingerprint=reply.fingerprint,
            reasoning=reply.reasoning,
            first=reply.first,
        )


class _Batch:
    """One ``generate``: what is still to be sent, what is under way, what came.

    Attributes:
        fatal: What every request gets that was not under way when it came, or None.
    """

    def __init__(self, requests: Sequence[Request]) -> None:
        self.waiting: Iterator[Request] = iter(requests)
        self.answers: asyncio.Queue[Outcome | Exception] = asyncio.Queue()
        self.fatal: Fault | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Do some work of this batch; whoever waits for its answers hears of a programming error in it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self.answers.put_nowait(error)

    async def idle(self, waiting: Coroutine[object, None, _T]) -> _T | None:
        """Wait for something without a request under way; None once there is nothing to wait for any more."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        if self.fatal is not None:
            waiting.close()
            return None
        self._idle.add(task)
        try:
            return await waiting
        except asyncio.CancelledError:
            if self.fatal is None or task.cancelling() > 1:
                raise
            task.uncancel()
            return None
        finally:
            self._idle.discard(task)

    def stop(self, fault: Fault) -> None:
        """Give every request that is not under way this fault; the first one counts."""
        if self.fatal is None:
            self.fatal = fault
            for task in self._idle:
                task.cancel()

    def fail(self, *requests: Request) -> None:
        """Answer requests with the fault that ended the batch."""
        for request in requests:
            self.answers.put_nowait(Outcome(key=request.key, finish="error", fault=self.fatal))

    async def cancel(self) -> None:
        """Give up what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _end_of(result: Reply | Failure) -> End:
    """What a try says of its endpoint's pace."""
    if isinstance(result, Reply):
        return "answered"
    match result.fault.kind:
        case "rate_limit":
            return "limited"
        case "server" | "timeout" | "unavailable":
            return "trouble"
        case _:
            return "other"


def _party(entry: ModelEntry, address: Address) -> Party:
    return Party(
        name=entry.name,
        model=entry.model or "",
        place=address.shown,
        host=address.host,
        key_variable=key_variable(entry),
        timeout=entry.timeout,
    )
