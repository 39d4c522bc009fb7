"""One chain on one example: which steps are settled, which wait for answers, and the trace of it all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import cast

from msgspec import structs

from promptlab.models.values import Fault, Outcome, Request
from promptlab.runs.chains import texts
from promptlab.runs.chains.work import (
    Asked,
    Asker,
    Done,
    Grades,
    Lookup,
    NotEmbedded,
    Setting,
    StepFailed,
    Work,
    begin,
    each,
)
from promptlab.runs.traces import Call, StepTrace, Trace, total_cost, total_usage
from promptlab.workspace.expressions import evaluate, holds, mentions_of_expression, value_of
from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.values import Example, Prompt, Step, Variables

_LACKING = re.compile(r"'dict object' has no attribute '(\w+)'")
_OPS = {"Ask": "prompt", "BestOf": "best_of"}


class Walk:
    """A chain under way. Ask what ``requests`` has, give the outcomes to ``take``, until ``trace`` is there.

    Attributes:
        trace: How it went, once every step is settled.
        lookups: Searches that wait for vectors, by step; ``look_up`` tries them again.
    """

    def __init__(self, chain: Prompt, example: Example, asker: Asker, grades: Grades) -> None:
        self.trace: Trace | None = None
        self.lookups: dict[str, Lookup] = {}
        self._chain = chain
        self._example = example
        self._asker = asker
        self._grades = grades
        self._settled: dict[str, StepTrace] = {}
        self._done: dict[str, Done] = {}
        self._faults: dict[str, Fault] = {}  # of a step that another one's failure blocks, that one's
        self._active: dict[str, tuple[Step, Work, tuple[Asked, ...]]] = {}
        self._calls: dict[str, list[Call]] = {}
        self._latency = 0.0
        self._finish_ready()

    @property
    def requests(self) -> list[Request]:
        """What it waits for, of all steps that can go on."""
        return [asked.request for _, _, waiting in self._active.values() for asked in waiting]

    def asks_for(self, key: str) -> str:
        """The name of the step that waits for a key."""
        return next(
            (name for name, (_, _, asked) in self._active.items() if any(one.request.key == key for one in asked)), ""
        )

    def take(self, outcomes: Mapping[str, Outcome]) -> None:
        """Go on with the answers to everything in ``requests``, by key."""
        self._latency += max((outcomes[request.key].latency for request in self.requests), default=0.0)
        for name, (step, work, waiting) in list(self._active.items()):
            came = [outcomes[asked.request.key] for asked in waiting]
            for asked, outcome in zip(waiting, came, strict=True):
                self._note(name, asked, outcome)
            self._go_on(step, work, came)
        self._finish_ready()

    def look_up(self) -> None:
        """Go on with the searches whose vectors are there now."""
        self.lookups.clear()
        self._finish_ready()

    def outcome(self, key: str) -> Outcome:
        """What came of the whole, once there is a trace: the answer of its last step that was not skipped."""
        assert self.trace is not None, "every step is settled"
        calls = self.trace.calls
        outcome = Outcome(
            key,
            usage=total_usage(calls),
            latency=self._latency,
            cost=total_cost(calls),
            cached=bool(calls) and all(call.outcome.cached for call in calls),
        )
        step = self.trace.step(self.trace.answer)
        if step is None:
            return structs.replace(
                outcome, finish="error", fault=Fault("step", "Every step was skipped."), latency=0.0
            )
        if step.state == "failed":
            fault = self._faults[step.step]
            return structs.replace(outcome, finish="error", fault=fault, latency=0.0)
        cut = bool(step.calls) and step.calls[-1].outcome.finish == "length" and step.op == "prompt"
        return structs.replace(outcome, text=step.text, finish="length" if cut else "stop")

    # -- steps ------------------------------------------------------------------------------------

    def _finish_ready(self) -> None:
        """Begin every step that can begin; settling one may let others begin."""
        while ready := [step for step in self._chain.steps if self._is_ready(step)]:
            for step in ready:
                self._begin(step)
        if not self._active and not self.lookups and self.trace is None:
            order = [self._settled[step.name] for step in self._chain.steps]
            answer = next((step.step for step in reversed(order) if step.state != "skipped"), "")
            self.trace = Trace(tuple(order), answer)

    def _is_ready(self, step: Step) -> bool:
        known = self._settled
        begun = step.name in known or step.name in self._active or step.name in self.lookups
        return not begun and all(name in known for name in step.needs)

    def _begin(self, step: Step) -> None:
        where = f"{self._chain.source}: step {step.name}"
        try:
            named = {mention.name for mention in mentions_of_expression(step.when)} if step.when else set[str]()
            if blocked := self._failed_among(name for name in step.needs if name in named):
                self._block(step, blocked)
                return
            if step.when and not holds(step.when, self._scope(), f"{where}: when"):
                self._settle(step, "skipped", problem=f"`when` is false: {step.when}")
                return
            if blocked := self._failed_among(step.needs):
                self._block(step, blocked)
                return
            work = self._work(step, where)
        except (TemplateFault, StepFailed) as fault:
            self._fail(step, fault)
            return
        self._go_on(step, work, None)

    def _failed_among(self, names: Iterable[str]) -> str:
        return next((name for name in names if name in self._faults), "")

    def _work(self, step: Step, where: str) -> Work:
        scope = self._scope()

        def at(more: Variables) -> Work:
            inside = {**scope, **more}
            inputs = {
                name: value_of(template, inside, f"{where}: inputs.{name}") for name, template in step.inputs.items()
            }
            setting = Setting(where, self._example, self._asker, self._grades, inside, {**more, **inputs}, self._done)
            return begin(step.does, setting)

        if not step.foreach:
            missing = getattr(step.does, "step", "")
            if missing and missing not in self._done:
                raise TemplateFault(f"{where}: it works on the step `{missing}`, which was skipped.")
            return at({})
        items = evaluate(step.foreach, scope, f"{where}: foreach")
        if not isinstance(items, list):
            raise TemplateFault(f"{where}: foreach: expected a list, and got {texts.plain_text(items)[:60]}.")
        return each(lambda item: at({"item": item}), cast("list[object]", items))

    def _go_on(self, step: Step, work: Work, came: Sequence[Outcome] | None) -> None:
        self._active.pop(step.name, None)
        try:
            waiting = next(work) if came is None else work.send(came)
        except StopIteration as end:
            done: Done = end.value
            self._done[step.name] = done
            self._settle(step, "done", done)
        except NotEmbedded as wanted:
            self.lookups[step.name] = wanted.lookup
        except (TemplateFault, StepFailed) as fault:
            self._fail(step, fault)
        else:
            self._active[step.name] = (step, work, waiting)

    def _fail(self, step: Step, fault: TemplateFault | StepFailed) -> None:
        problem = fault.fault if isinstance(fault, StepFailed) else Fault("template", self._told(step, str(fault)))
        self._faults[step.name] = Fault(problem.kind, f"Step `{step.name}`: {problem.message}")
        self._settle(step, "failed", problem=problem.message)

    def _told(self, step: Step, fault: str) -> str:
        """Why a template of a step could not be filled; that another step was skipped is said as such."""
        skipped = next((name for name in step.needs if self._settled[name].state == "skipped"), "")
        lacking = _LACKING.search(fault)
        if not skipped or not lacking:
            return fault
        hint = f"write `{skipped}.{lacking[1]} | default(…)`"
        return fault.replace(lacking[0], f"the step `{skipped}` was skipped, so it has no `{lacking[1]}`: {hint}")

    def _block(self, step: Step, by: str) -> None:
        self._faults[step.name] = self._faults[by]
        self._settle(step, "failed", Done("", {"blocked": True}), f"It needs the step `{by}`, which failed.")

    def _settle(self, step: Step, state: str, done: Done | None = None, problem: str = "") -> None:
        kind = type(step.does).__name__
        self._settled[step.name] = StepTrace(
            step=step.name,
            op=_OPS.get(kind, kind.lower()),
            state="done" if state == "done" else "skipped" if state == "skipped" else "failed",
            text=done.text if done else "",
            calls=tuple(self._calls.pop(step.name, ())),
            values=done.values if done else {},
            note=done.note if done else "",
            problem=problem,
        )

    def _note(self, name: str, asked: Asked, outcome: Outcome) -> None:
        calls = self._calls.setdefault(name, [])
        before = next((call.messages for call in reversed(calls) if call.messages), ())
        messages = asked.request.messages
        calls.append(Call(asked.label, outcome, messages if messages != before else ()))

    def _scope(self) -> Variables:
        """What templates can use: the chain's inputs, and every settled step."""
        scope: Variables = {name: self._example.vars[name] for name in self._chain.inputs}
        for name, step in self._settled.items():
            scope[name] = _fields(step)
        return scope


def _fields(step: StepTrace) -> dict[str, object]:
    """What templates can ask of a step. One without a result has no ``text``, so ``| default(…)`` finds another."""
    fields: dict[str, object] = {"skipped": step.state == "skipped"}
    if step.state == "done":
        fields |= {"text": step.text, **step.values}
        if step.text.lstrip()[:1] in ("{", "["):
            with suppress(texts.Miss):
                fields["json"] = texts.json_of(step.text)
    return fields
