"""Models behind an OpenAI-compatible endpoint: OpenAI, vLLM, llama-server, Ollama, LM Studio and many others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

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
from promptlab.models.completions import Reply, body_of, read_reply
from promptlab.models.http_faults import Failure, Party, broken, without_key
from promptlab.models.pricing import cost_of
from promptlab.models.retry import RetryPolicy
from promptlab.models.trust import trust_problem
from promptlab.models.values import FATAL_FAULTS, Capabilities, Fault, Outcome, Request, Usage
from promptlab.workspace.values import ModelEntry

if TYPE_CHECKING:
    from promptlab.models.transport import Wire


class Endpoint:
    """One model name at one endpoint. Belongs to one event loop.

    Requests are sent as many at once as the entry's ``concurrency`` says, over connections that are used again;
    what may pass is tried again as the policy says. Once a fault shows that no further request can succeed (see
    ``FATAL_FAULTS``), the rest of that ``generate`` gets the same fault without asking.
    """

    capabilities = Capabilities(json_schema=True, seed=True)

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
        # The one place that holds back requests: a limit that adapts to the endpoint goes here.
        self._slots = asyncio.Semaphore(max(1, entry.concurrency))
        self._wire: Wire | None = None
        self._key = ""
        self._connecting = asyncio.Lock()
        self._answered = False
        self._open: dict[_Batch, list[asyncio.Task[None]]] = {}

    async def generate(self, requests: Sequence[Request]) -> AsyncIterator[Outcome]:
        """Yield exactly one outcome per request, as they come; faults are outcomes.

        Raises:
            ModelFault: The key's variable is not set, or the address is not trusted with the key.
        """
        if not requests:
            return
        wire = await self._connected()
        batch = _Batch(requests)
        workers = max(1, min(self._entry.concurrency, len(requests)))
        tasks = [asyncio.create_task(self._work(wire, batch)) for _ in range(workers)]
        self._open[batch] = tasks
        try:
            for _ in requests:
                answer = await batch.answers.get()
                if isinstance(answer, Exception):
                    raise answer
                yield answer
        finally:
            del self._open[batch]
            await _cancel(tasks)

    async def close(self) -> None:
        """Cancel what is in flight (its iterators raise ``ModelFault``) and close the connections."""
        for batch, tasks in list(self._open.items()):
            await _cancel(tasks)
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
                # Half a second of imports, the first time: not on the loop that draws the screen.
                self._wire = await asyncio.to_thread(_open_wire, self._address, self._key, self._party)
            return self._wire

    async def _work(self, wire: Wire, batch: _Batch) -> None:
        """Answer requests of the batch until none is left."""
        try:
            for request in batch.waiting:
                batch.answers.put_nowait(await self._outcome(wire, request, batch))
        except Exception as error:  # a programming error: whoever waits must hear of it
            batch.answers.put_nowait(error)

    async def _outcome(self, wire: Wire, request: Request, batch: _Batch) -> Outcome:
        """The outcome of one request, after as many tries as the policy allows."""
        if request.logprobs is not None or request.choice_probabilities:
            fault = Fault("rejected", f"{self.name}: probabilities are read from models in GGUF files only.")
            return Outcome(key=request.key, finish="error", fault=fault)
        body = body_of(self._model, request)
        attempt = 0
        while batch.fatal is None:
            attempt += 1
            async with self._slots:
                if batch.fatal is not None:
                    break
                start = time.perf_counter()
                result = await self._try(wire, body)
                latency = time.perf_counter() - start
            if isinstance(result, Reply):
                return self._success(request, result, latency)
            again = result.again == "always" or (result.again == "if_answered" and self._answered)
            if not again or attempt > self._policy.retries:
                if result.fault.kind in FATAL_FAULTS:
                    batch.stop(result.fault)
                return Outcome(key=request.key, finish="error", fault=result.fault)
            await batch.pause(self._policy.delay(request.key, attempt, result.wait))
        return Outcome(key=request.key, finish="error", fault=batch.fatal)

    async def _try(self, wire: Wire, body: Mapping[str, object]) -> Reply | Failure:
        try:
            async with asyncio.timeout(self._entry.timeout):
                answer = await wire.ask(body)
        except TimeoutError:
            return broken(self._party, "late")
        if isinstance(answer, Failure):
            self._answered = self._answered or answer.fault.kind != "unavailable"
            return answer
        self._answered = True
        # An endpoint that repeats the key must not get it into a file: outcomes are journalled and committed.
        reply = read_reply(without_key(answer, self._key))
        return broken(self._party, "malformed", reply) if isinstance(reply, str) else reply

    def _success(self, request: Request, reply: Reply, latency: float) -> Outcome:
        return Outcome(
            key=request.key,
            text=reply.text,
            finish=reply.finish,
            usage=reply.usage or Usage(),
            latency=latency,
            cost=cost_of(self._entry.price, reply.usage),
            fingerprint=reply.fingerprint,
        )


class _Batch:
    """What the workers of one ``generate`` share."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.waiting: Iterator[Request] = iter(requests)
        self.answers: asyncio.Queue[Outcome | Exception] = asyncio.Queue()
        self.fatal: Fault | None = None
        self._stopped = asyncio.Event()

    def stop(self, fault: Fault) -> None:
        """Give every further request this fault; the first one counts."""
        self.fatal = self.fatal or fault
        self._stopped.set()

    async def pause(self, seconds: float) -> None:
        """Wait, unless there is nothing to wait for any more."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _open_wire(address: Address, key: str, party: Party) -> Wire:
    from promptlab.models.transport import Wire

    return Wire(address, key, party)


def _party(entry: ModelEntry, address: Address) -> Party:
    return Party(
        name=entry.name,
        model=entry.model or "",
        place=address.shown,
        host=address.host,
        key_variable=key_variable(entry),
        timeout=entry.timeout,
    )
