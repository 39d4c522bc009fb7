"""Models behind an OpenAI-compatible endpoint: OpenAI, vLLM, llama-server, Ollama, LM Studio and many others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, cast

from msgspec import structs

from promptlab.errors import ModelFault
from promptlab.models import vectors
from promptlab.models.addresses import (
    address_of,
    endpoint_identity,
    key_of,
    key_problem,
    needs_trust,
)
from promptlab.models.batch import Answers, Batch
from promptlab.models.cache import default_folder
from promptlab.models.completions import Reply, body_of, outcome_of, read_replies
from promptlab.models.dialect import ONE_SAMPLE, PLAIN, Dialect, adapted, recall, remember
from promptlab.models.first_token import MOST, for_first_token, weighed
from promptlab.models.hedge import Hedge
from promptlab.models.http_faults import Failure, broken, party_of, without_key
from promptlab.models.limit import Slot
from promptlab.models.pace import end_of, pace_of
from promptlab.models.pricing import cost_of
from promptlab.models.retry import RetryPolicy
from promptlab.models.samples import FIRST_ONLY, at_once, together
from promptlab.models.streaming import read_stream
from promptlab.models.trust import trust_problem
from promptlab.models.values import FATAL_FAULTS, Capabilities, Outcome, Request, Spend, Traffic, Watch
from promptlab.workspace.settings_values import ModelEntry

if TYPE_CHECKING:
    from promptlab.models.transport import Wire

_PATH = "/chat/completions"
_LESSONS = 8
"""Rejections that one request may teach something by before it counts as rejected itself."""

_T = TypeVar("_T")
_A = TypeVar("_A")


class _Question(NamedTuple, Generic[_T]):
    """What is sent and read.

    Attributes:
        key: Of what is asked: it decides how long a retry waits.
        body: The body in a dialect.
        send: Sends a body: what came of it, and the seconds to wait before the next request where the endpoint's
            window is used up.
    """

    key: str
    body: Callable[[Dialect], dict[str, object]]
    send: Callable[[Wire, Mapping[str, object]], Awaitable[tuple[_T | Failure, float | None]]]


class _Page(NamedTuple):
    """Texts, and their vectors."""

    texts: Sequence[str]
    read: vectors.Page


class Endpoint:
    """One model name at one endpoint. Belongs to one event loop.

    How many requests are in flight is found while running (:mod:`promptlab.models.pace`), up to the entry's
    ``concurrency``; connections are used again; what may pass is tried again as the policy says; what the endpoint
    does not take is sent otherwise from then on (:mod:`promptlab.models.dialect`). Once a fault shows that no further
    request can succeed (see ``FATAL_FAULTS``), the rest of that ``generate`` gets the same fault without asking.
    """

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
        self.capabilities = Capabilities(
            json_schema=True, seed=True, logprobs=True, streaming=entry.stream, embeddings=True, elsewhere=True
        )
        self._entry = entry
        self._samples = at_once(entry)
        self._model = entry.model or ""
        self._address = address_of(entry)
        self._party = party_of(entry, self._address)
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
        self._hedge = Hedge(entry.hedge) if entry.hedge is not None else None
        self._open: set[Batch[Outcome] | Batch[_Page]] = set()

    @property
    def traffic(self) -> Traffic:
        """What goes on now; in flight and limit are of all models at this address."""
        samples = self._samples if self._dialect.samples else 1
        return Traffic(self._pace.in_flight, self._pace.limit, self._retried, tuple(self._notices), samples)

    def hold(self, most: int | None) -> None:
        """Have at most so many requests in flight from now on; see :class:`promptlab.models.values.Paced`."""
        self._pace.hold(most)

    async def generate(self, requests: Sequence[Request], watch: Watch | None = None) -> AsyncIterator[Outcome]:
        """Yield exactly one outcome per request, as they come; faults are outcomes.

        ``watch`` hears of answers that come piece by piece, and of the tokens of answers alone.

        Raises:
            ModelFault: The key's variable is not set, or the address is not trusted with the key.
        """
        if not requests:
            return
        wire = await self._connected()
        batch = Answers(watch if self._entry.stream else None, lambda text: without_key(text, self._key))
        batch.begin(self._send_all(wire, requests, batch))
        self._open.add(batch)
        try:
            for _ in range(len(requests)):
                yield await batch.next()
        finally:
            self._open.discard(batch)
            await batch.cancel()

    async def embed(self, texts: Sequence[str], spend: Spend | None = None) -> list[tuple[float, ...]]:
        """The vector of each text, of length 1. Equal texts are asked for once.

        Raises:
            ModelFault: As ``generate``; also where the endpoint gives no vectors, or cannot take one of the texts.
        """
        wire = await self._connected()
        different = list(dict.fromkeys(texts))
        parts = [different[at : at + vectors.TEXTS] for at in range(0, len(different), vectors.TEXTS)]
        batch: Batch[_Page] = Batch()
        for part in parts:
            batch.begin(self._embed(wire, part, batch))
        self._open.add(batch)
        found: dict[str, tuple[float, ...]] = {}
        try:
            for _ in parts:
                page = await batch.next()
                found.update(zip(page.texts, page.read.vectors, strict=True))
                if spend is not None and page.read.usage is not None:
                    spend(page.read.usage, cost_of(self._entry.price, page.read.usage))
        finally:
            self._open.discard(batch)
            await batch.cancel()
        return [found[text] for text in texts]

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

    async def _send_all(self, wire: Wire, requests: Sequence[Request], batch: Answers) -> None:
        """Send requests in order, each as soon as the pace allows; samples of one answer together, where wanted."""
        waiting = self._groups(requests)
        for group in waiting:
            if (slot := await batch.idle(self._pace.acquire())) is None:
                for unsent in (group, *waiting):
                    batch.fail(unsent, batch.fatal)
            else:
                batch.begin(self._answer(wire, group, batch, slot))

    def _groups(self, requests: Sequence[Request]) -> Iterator[tuple[Request, ...]]:
        for group in together(requests, self._samples):
            if self._dialect.samples:
                yield group
            else:
                yield from ((one,) for one in group)

    async def _answer(self, wire: Wire, group: tuple[Request, ...], batch: Answers, slot: Slot) -> None:
        """The outcomes of samples of one answer, one request for all of them; mostly there is one sample."""
        replies, latency = await self._asked(wire, self._question(group, batch), batch, slot)
        if not isinstance(replies, list):
            return batch.fail(group, replies.fault if replies else batch.fatal)
        if any(reply.guessed for reply in replies):
            self._tell(f"{self.name}: {self._party.place} {FIRST_ONLY}.")
        for request, reply in zip(group, replies, strict=False):
            batch.answers.put_nowait(self._success(request, reply, latency))
        if len(replies) < len(group) and self._dialect.samples:
            self._take_in(structs.replace(self._dialect, samples=False), ONE_SAMPLE)
        for request in group[len(replies) :]:
            if (again := await batch.idle(self._pace.acquire())) is None:
                batch.fail((request,), batch.fatal)
            else:
                batch.begin(self._answer(wire, (request,), batch, again))

    async def _embed(self, wire: Wire, texts: Sequence[str], batch: Batch[_Page]) -> None:
        """The vectors of some texts, or the fault for whoever waits to raise."""

        def body(_: Dialect) -> dict[str, object]:
            return vectors.body_of(self._model, texts)

        question = _Question(texts[0], body, partial(self._read, len(texts)))
        slot = await batch.idle(self._pace.acquire())
        found, _ = await self._asked(wire, question, batch, slot) if slot else (None, 0.0)
        if isinstance(found, vectors.Page):
            batch.answers.put_nowait(_Page(texts, found))
        else:
            fault = found.fault if found else batch.fatal
            batch.answers.put_nowait(ModelFault(fault.message if fault else f"{self.name} gave no answer."))

    def _question(self, group: tuple[Request, ...], batch: Answers) -> _Question[list[Reply]]:
        choices = group[0].choice_probabilities
        asked = for_first_token(group[0]) if choices else group[0]
        stream = self._entry.stream and not choices

        def body(dialect: Dialect) -> dict[str, object]:
            return body_of(self._model, asked, dialect, stream=stream, samples=len(group) if dialect.samples else 1)

        return _Question(asked.key, body, partial(self._stream, asked.key, batch) if stream else self._chat)

    async def _asked(
        self, wire: Wire, question: _Question[_T], batch: Batch[_A], slot: Slot
    ) -> tuple[_T | Failure | None, float]:
        """What came of a question after as many tries as the policy allows, and the seconds of the last of them.

        None where another request of the batch has ended it meanwhile; a failure that ends it does so here.
        """
        attempt, learned = 1, 0
        while True:
            dialect = self._dialect
            body = self._body(question, dialect, slot)
            result, latency = await self._try(wire, question, body, slot)
            if not isinstance(result, Failure):
                return result, latency
            if result.said and learned < _LESSONS and self._learn(dialect, body, result.said):
                learned += 1
            elif self._again(result, attempt):
                self._retried += 1
                await batch.idle(asyncio.sleep(self._policy.delay(question.key, attempt, result.wait)))
                attempt += 1
            else:
                if result.fault.kind in FATAL_FAULTS:
                    batch.stop(result.fault)
                return result, latency
            if (again := await batch.idle(self._pace.acquire())) is None:
                return None, latency
            slot = again

    def _body(self, question: _Question[_T], dialect: Dialect, slot: Slot) -> dict[str, object]:
        try:
            return question.body(dialect)
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
        self._take_in(*lesson)
        return True

    def _take_in(self, dialect: Dialect, what: str) -> None:
        """Speak so from now on, and tell the person what was learned."""
        self._dialect = dialect
        self._notices.append(f"{self.name}: {self._party.place} {what}.")
        remember(default_folder(), self.identity, dialect)

    async def _try(
        self, wire: Wire, question: _Question[_T], body: Mapping[str, object], slot: Slot
    ) -> tuple[_T | Failure, float]:
        """One request and the seconds it took; gives the slot back."""
        end, wait = "other", None
        start = time.perf_counter()
        try:
            try:
                async with asyncio.timeout(self._entry.timeout):
                    result, wait = await self._sent(wire, question, body)
            except TimeoutError:
                result = broken(self._party, "late")
            took = time.perf_counter() - start
            end = end_of(result)
            if isinstance(result, Failure):
                wait = result.wait if result.fault.kind in ("rate_limit", "server") else None
                self._answered = self._answered or result.fault.kind != "unavailable"
            else:
                self._answered = True
            return result, took
        finally:
            self._pace.release(slot, end, wait)

    async def _sent(
        self, wire: Wire, question: _Question[_T], body: Mapping[str, object]
    ) -> tuple[_T | Failure, float | None]:
        """What comes of sending a body: twice, where the entry says so and the first one is among the slowest."""
        if self._hedge is None:
            return await question.send(wire, body)
        return await self._hedge.first_of(
            lambda: question.send(wire, body),
            lambda: self._pace.spare(),
            lambda result: not isinstance(result[0], Failure),
        )

    async def _chat(self, wire: Wire, body: Mapping[str, object]) -> tuple[list[Reply] | Failure, float | None]:
        page = await wire.ask(_PATH, body)
        if isinstance(page, Failure):
            return page, None
        return self._checked(read_replies(page.body)), page.renewed if page.free == 0 else None

    async def _stream(
        self, key: str, batch: Answers, wire: Wire, body: Mapping[str, object]
    ) -> tuple[list[Reply] | Failure, float | None]:
        with batch.draft(key) as draft:
            return self._checked(await read_stream(wire.stream(_PATH, body), draft)), None

    async def _read(
        self, count: int, wire: Wire, body: Mapping[str, object]
    ) -> tuple[vectors.Page | Failure, float | None]:
        page = await wire.ask(vectors.PATH, body)
        if isinstance(page, Failure):
            return page, None
        found = vectors.read_vectors(page.body, count)
        if isinstance(found, str):
            found = broken(self._party, "no_vectors", without_key(found, self._key))
        return found, page.renewed if page.free == 0 else None

    def _checked(self, result: list[Reply] | Failure | str) -> list[Reply] | Failure:
        """Replies without the key: an endpoint that repeats it must not get it into a file that is committed."""
        if isinstance(result, str):
            return broken(self._party, "malformed", without_key(result, self._key))
        return result if isinstance(result, Failure) else [self._without_key(reply) for reply in result]

    def _without_key(self, reply: Reply) -> Reply:
        if not self._key or self._key not in reply.text + reply.reasoning + reply.fingerprint:
            return reply
        names = ("text", "reasoning", "fingerprint")
        parts: dict[str, str] = {name: without_key(getattr(reply, name), self._key) for name in names}
        return structs.replace(reply, **parts, logprobs=())  # whose tokens spell it

    def _success(self, request: Request, reply: Reply, latency: float) -> Outcome:
        outcome = outcome_of(request, reply, latency, cost_of(self._entry.price, reply.usage))
        if not request.choice_probabilities:
            return outcome
        found = weighed(request, outcome, reply.logprobs, f"{self.name}: {self._party.place}")
        if found.choices is not None and not all(found.choices.of.values()):
            self._tell(f"{self.name}: a choice that is not among the {MOST} most probable first tokens counts as 0.")
        return found

    def _tell(self, notice: str) -> None:
        if notice not in self._notices:
            self._notices.append(notice)
