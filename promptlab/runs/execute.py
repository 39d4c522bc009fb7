"""Run a plan: take over what is known, ask the models for the rest, and tell what happens as it happens.

Each outcome is in the journal before anybody hears of it. The work is done by a task of its own, so outcomes are
kept as they arrive however slowly the events are taken; files are read in threads, and written there where that
takes any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Literal

import msgspec

from promptlab.errors import StorageFault
from promptlab.models.values import Fault, Outcome, Preparing, Request, Written
from promptlab.runs.asking import Reader, Turn, arrived, failed, fitting, requests_of
from promptlab.runs.control import Control, heard
from promptlab.runs.keeping import AT_ONCE, Keeping
from promptlab.runs.means import Means
from promptlab.runs.values import (
    Cell,
    CellDone,
    CellText,
    Ended,
    ModelDied,
    ModelLoading,
    Noticed,
    Plan,
    Progress,
    RunEvent,
    Started,
    StepProgress,
)

if TYPE_CHECKING:
    from promptlab.runs.chains.waves import Wanted

PROGRESS_EVERY = 0.1
"""Seconds between two Progress events at least."""

_TOGETHER = 0.005
"""Seconds between two looks at what arrived and is written already: to tell of each by itself would cost more."""

_LAST = 16
"""Cells of a model that are left when the next one is made ready: it writes as many at once."""


async def execute(plan: Plan, means: Means, part: Sequence[Cell] | None = None) -> AsyncGenerator[RunEvent, None]:
    """Carry out a plan and yield what happens; the last event is ``Ended``.

    Known outcomes come first: those of the journal, then those of the cache. Then the models are asked for
    what is left, every key once. A fault of one cell is its outcome; a fault of a whole model is the outcome of all
    cells it still had, and the others go on. The journal is closed when this ends; models are left open.
    Whoever leaves before the end closes the generator (``contextlib.aclosing``), which ends the run as stopped.

    Args:
        plan: With the requests, as :func:`promptlab.runs.plan.make_plan` gives it.
        means: What it is done with.
        part: Cells of the plan to do now, instead of all. The journal then stays open for the next part.
    """
    run = _Execution(plan, means, part)
    worker = asyncio.create_task(run.work())
    helpers = [asyncio.create_task(run.halt_when(means.stop)), asyncio.create_task(run.tell_progress())]
    turn = Turn()
    try:
        while (events := await run.events.get()) is not None:
            for event in events:
                if isinstance(event, Progress | CellText) and not run.events.empty():
                    continue  # A slow reader hears of now, not of every step on the way.
                yield event
                await turn.take()
        await worker
    finally:
        run.halt()
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(worker, *helpers, return_exceptions=True)


class _Execution(Keeping):
    """One run under way."""

    def halt(self) -> None:
        """Stop asking, at once; what arrived is still kept."""
        self.halted = True
        self.ending.set()
        for reader in self.readers.values():
            reader.cancel()

    def look_at_budget(self) -> None:
        """Ask nothing further once a limit is reached."""
        in_flight = sum(reader.in_flight for reader in self.readers.values())
        if not self.spent and (why := self.meter.used_up(in_flight)):
            self.spent = why
            for reader in self.readers.values():
                reader.end()

    def heard(self, write: Callable[[Outcome], None], outcome: Outcome) -> None:
        """An answer has come from a model: before anything else it is written."""
        write(outcome)
        self.meter.add(outcome)
        self.look_at_budget()

    async def halt_when(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.halt()

    async def tell_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_EVERY)
            self.look_at_budget()
            control, looked_at = await asyncio.to_thread(self._look)
            self._obey(control)
            self._notice(*(one for reader in self.readers.values() for one in reader.traffic.notices))
            now = self.progress()
            if looked_at:
                await asyncio.to_thread(self.drafted.tell, self.drafted.live(self._of_run(now)))
            if (told := (now.done, now.in_flight, now.limit, now.retried)) != self.told:
                self.told = told
                self.events.put_nowait((now,))

    def _look(self) -> tuple[Control, bool]:
        """What other processes ask of this run, and whether one wants to hear of it now. Reads files."""
        return heard(self.journal.folder), self.drafted.wanted()

    def _obey(self, control: Control) -> None:
        """Do what another process asks of this run."""
        if control.stop:
            self.halt()
        if control.budget is not None:
            self.meter.allow(control.budget)
        for reader in self.readers.values():
            reader.hold(control.most)

    def progress(self) -> Progress:
        """How far the run is, with what goes on at its endpoints."""
        traffic = [reader.traffic for reader in self.readers.values()]
        return msgspec.structs.replace(
            self.tally.progress(self.calls.left),
            retried=self.retried + sum(one.retried for one in traffic),
            in_flight=sum(one.in_flight for one in traffic),
            limit=sum(one.limit for one in traffic),
            steps=self.under_way.steps,
        )

    def _notice(self, *messages: str) -> None:
        """Tell of each thing once."""
        for message in messages:
            if message not in self.noticed:
                self.noticed.add(message)
                self.events.put_nowait((Noticed(message),))

    async def work(self) -> None:
        """The whole run. Puts None behind the last event, whatever happens."""
        last: tuple[RunEvent, ...] = ()
        try:
            last = (await self._carry_out(),)
        finally:
            self.drafted.close()
            if self.whole:
                await asyncio.to_thread(self.journal.close)
            self.events.put_nowait(last)
            self.events.put_nowait(None)

    async def _carry_out(self) -> Ended:
        reason = ""
        try:
            await self._take_over()
            await self._look_up()
            await self._ask_all()
        except StorageFault as fault:
            reason = str(fault)
        finally:
            if self.remembering is not None:
                await self.remembering
            await self._remember()
        try:
            if self.whole:
                complete = self.tally.done == len(self.cells)
                await asyncio.to_thread(self.journal.finish, "complete" if complete else "partial")
        except StorageFault as fault:
            reason = reason or str(fault)
        return self._ended(reason)

    def _ended(self, reason: str) -> Ended:
        progress = self.progress()
        state: Literal["complete", "partial", "cancelled"] = "partial"
        if not reason:
            reason = self.tally.failures()
            state = "complete"
            if progress.done < progress.total and self.spent and not self.halted:
                state = "partial"
                used = self.meter.spent(self.tally.currency_of(self.plan.variants[0].model))
                reason = f"{self.spent}: {used}, {progress.done} of {progress.total} cells done. {reason}".rstrip()
            elif progress.done < progress.total:
                state = "cancelled"
                reason = f"Stopped after {progress.done} of {progress.total} cells. {reason}".rstrip()
        return Ended(self.journal.run, state, progress, reason)

    async def _take_over(self) -> None:
        """Begin with what the journal has, and with the cells that cannot be asked at all."""
        known = await asyncio.to_thread(self.journal.known)
        self.answers = known.answers
        resumed: list[CellDone] = []
        problems: dict[str, str] = {}
        turn = Turn()
        for number, cell in enumerate(self.cells):
            line = known.lines.get((cell.column, cell.example, cell.trial))
            if line is not None and line.outcome.key == cell.key:
                resumed.append(CellDone(cell.column, cell.example, cell.trial, line.outcome, line.trace))
            else:
                self.waiting.add(number, cell.key)
                if cell.problem:
                    problems[cell.key] = cell.problem
            await turn.take()
        self.events.put_nowait((Started(self.journal.run, self.plan, len(resumed)),))
        for done in resumed:
            self._count(done)
            await turn.take()
        self.events.put_nowait(resumed)
        # A crash may have come between two cells that share a key: the answer is here, so nobody is asked.
        shared = [done.outcome for done in resumed if done.outcome.key in self.waiting]
        await self._keep_all(msgspec.structs.replace(outcome, cached=True) for outcome in shared)
        await self._keep_all(failed(key, Fault("template", problem)) for key, problem in problems.items())

    async def _look_up(self) -> None:
        """Take what the cache has."""
        keys = iter([key for key in self.waiting if not self._of_chain(key)])
        while not self.halted and (some := list(islice(keys, AT_ONCE))):
            found = await asyncio.to_thread(self.cache.get_many, some)
            await self._keep([found[key] for key in some if key in found])

    async def _ask_all(self) -> None:
        """Ask every model: endpoints side by side, and beside them the models of this machine one after the other."""
        names = list(dict.fromkeys(self.model_of.values()))
        here = [name for name in names if not self.models[name].capabilities.elsewhere]
        groups = (here, *([name] for name in names if name not in here))
        tasks = [asyncio.create_task(self._ask(*group)) for group in groups if group]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, *names: str) -> None:
        """Ask models for what is left of their cells, one after the other."""
        for name, following in zip(names, [*names[1:], ""], strict=True):
            left, chains = await self._left(name), self._chains(name)
            if not (left or chains) or self.halted or self.spent:
                continue
            self.tally.begin_model(name)
            self.events.put_nowait((ModelLoading(name),))
            try:
                await self._ask_one(name, left, "" if chains else following)
                await self._walk(name, chains)
            finally:
                self.tally.end_model(name)

    async def _ask_one(self, name: str, cells: Sequence[Cell], following: str) -> None:
        """Ask one model; towards the end, have the following one ready."""
        left = len(cells)
        kept: list[CellDone] = []

        def write(outcome: Outcome) -> None:
            nonlocal left
            self._take(name, kept, outcome)
            left -= 1
            if following and left == min(_LAST, len(cells) - 1):
                self._prepare(following)

        requests, keys = await requests_of(cells, self.models[name]), (cell.key for cell in cells)
        async with aclosing(self._asked(name, keys, requests, write, self.waiting.__contains__)) as coming:
            async for _ in coming:
                done, kept[:] = kept[:], []
                await self._written()
                self._tell(done, name)

    async def _asked(
        self,
        name: str,
        keys: Iterable[str],
        requests: Sequence[Request],
        write: Callable[[Outcome], None],
        missing: Callable[[str], bool],
    ) -> AsyncGenerator[list[Outcome], None]:
        """What a model answers, as it arrives, and a fault for each answer that never came. Less when halted.

        Args:
            keys: Of the requests; looked at when no further answer comes.
            write: Journals an outcome; called for each at the moment it comes.
            missing: Whether no outcome of a key was written.
        """
        if not requests or self.halted:
            return
        model = self.models[name]
        reader = self.readers[name] = Reader(model, requests, partial(self.heard, write), partial(self._hear, name))
        try:
            while batch := await arrived(reader.inbox, AT_ONCE):
                self.fresh.extend(outcome for outcome in batch if outcome.fault is None)
                self._notice(*filter(None, (self.fingerprints.changed(name, outcome) for outcome in batch)))
                yield batch
                self._remember_soon()
                await asyncio.sleep(_TOGETHER)
        finally:
            result = await reader.result()
            self._notice(*reader.traffic.notices)
            self.retried += reader.traffic.retried
            del self.readers[name]
        if isinstance(result, Exception):
            raise result
        if not self.halted and not self.spent and not isinstance(result, BaseException):
            fault = result or Fault("malformed", f"{name} gave no answer to this request.")
            async for some in fitting(missing, keys, AT_ONCE):
                for outcome in (outcomes := [failed(key, fault) for key in some]):
                    write(outcome)
                yield outcomes

    async def _walk(self, name: str, cells: Sequence[Cell]) -> None:
        """Take the chains of one model to their ends, all of them together."""
        if not cells or self.halted or self.spent:
            return
        from promptlab.runs.chains.waves import walk, walks_of  # jinja2: most runs have no chain

        assert self.grades is not None, "a plan with chains is executed with grades"
        walks = await asyncio.to_thread(walks_of, self.plan, cells, self.models[name], self.grades)
        async with aclosing(
            walk(walks, lambda wanted: self._answered(name, wanted), self.grades, self.ending, self._looked_up)
        ) as waves:
            async for ended in waves:
                await self._keep_walked([(cell, one.outcome(cell.key), one.trace) for cell, one in ended], name)

    def _looked_up(self, progress: StepProgress) -> None:
        self.under_way.look_up(progress)
        self.look_at_budget()
        self.told = ()

    async def _answered(self, name: str, wanted: Wanted) -> AsyncGenerator[Sequence[Outcome], None]:
        """What steps want to know: from this run, from the cache, then from the model. All of it is journalled."""
        self.under_way.begin(wanted)
        try:
            async with aclosing(self._answers_of(name, wanted)) as coming:
                async for some in coming:
                    yield some
        finally:
            self.under_way.end(wanted)

    async def _answers_of(self, name: str, wanted: Wanted) -> AsyncGenerator[Sequence[Outcome], None]:
        known = [self.answers[key] for key in wanted if key in self.answers]
        left = [key for key in wanted if key not in self.answers]
        self._remember_answers(known, wanted)
        yield known
        found = await asyncio.to_thread(self.cache.get_many, left) if left else {}
        written = set[str]()

        def write(outcome: Outcome) -> None:
            written.add(outcome.key)
            self._write_answer(wanted, outcome)

        for outcome in found.values():
            write(outcome)
        await self._written()
        self._remember_answers(found.values(), wanted)
        yield list(found.values())
        left = [key for key in left if key not in found]
        if not left or self.halted or self.spent:
            return
        requests = [wanted[key][0] for key in left]
        async with aclosing(self._asked(name, left, requests, write, lambda key: key not in written)) as coming:
            async for batch in coming:
                await self._written()
                self._remember_answers(batch, wanted)
                self.tally.answered(0, len(batch), max(outcome.latency for outcome in batch))
                yield batch

    def _prepare(self, name: str) -> None:
        model = self.models[name]
        waiting = (cell for key in self.waiting for cell in self.waiting.cells(key))
        if isinstance(model, Preparing) and any(self.model_of[one.column] == name and one.asks for one in waiting):
            model.prepare()

    def _hear(self, name: str, news: Written) -> None:
        """A model tells how far it is."""
        if news.died:
            self.events.put_nowait((ModelDied(name, news.died),))
        self.tally.worked(news.tokens)
        self.told = ()
        texts = [
            CellText(cell.column, cell.example, cell.trial, text)
            for key, text in news.texts
            for cell in self.waiting.cells(key)
        ] + self.under_way.texts(dict(news.texts))
        self.drafted.wrote(texts)
        if texts and self.watched:
            self.events.put_nowait(texts)
