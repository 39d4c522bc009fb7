"""A model that computes its answers, with delays, faults and crashes as a test asks; the values of a small run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import sha256
from pathlib import Path

from promptlab.errors import ModelFault
from promptlab.models.values import Capabilities, Fault, Outcome, Request, Usage, Watch, Written
from promptlab.runs.plan import ColumnSpec, make_plan
from promptlab.runs.values import Plan
from promptlab.workspace.values import Decision, EvalSet, Example, Message, MetricSpec, Output, Params, Prompt

FaultFor = Callable[[Request], Fault | None]


class ScriptedModel:
    """Answers with the last message, upside down.

    Args:
        delay: Seconds before each answer; 0 answers without ever waiting.
        at_once: Requests answered side by side.
        fault: Gives the fault of a request, or None.
        cost: Of every answer.
        log: A file that gets one line with the key of every request when it is asked.
        broken: Raised as a ModelFault by ``generate`` before the first answer.
        forget: Answers it leaves out at the end.
        error: Raised after the first answer: a bug of the model's own.
        streaming: Tell half of every answer, and ten tokens, before it is given.
    """

    def __init__(
        self,
        name: str = "mini",
        *,
        delay: float = 0.0,
        at_once: int = 8,
        fault: FaultFor | None = None,
        cost: float | None = None,
        log: Path | None = None,
        broken: str = "",
        forget: int = 0,
        error: Exception | None = None,
        streaming: bool = False,
    ) -> None:
        self.name = name
        self.identity = f"scripted:{name}"
        self.capabilities = Capabilities(choices=True, json_schema=True, seed=True, streaming=streaming)
        self.delay = delay
        self.at_once = at_once
        self.fault = fault
        self.cost = cost
        self.log = log
        self.broken = broken
        self.forget = forget
        self.error = error
        self.asked: list[str] = []
        self.in_flight = 0
        self.closed = False

    async def generate(self, requests: Sequence[Request], watch: Watch | None = None) -> AsyncIterator[Outcome]:
        if self.broken:
            raise ModelFault(self.broken)
        try:
            for start in range(0, len(requests) - self.forget, self.at_once):
                some = requests[start : min(start + self.at_once, len(requests) - self.forget)]
                self.in_flight = len(some)
                for request in some:
                    self._note(request)
                if watch is not None:
                    halves = tuple((one.key, self._answer(one).text[:10]) for one in some)
                    watch(Written(halves, tokens=10 * len(some)))
                if self.delay:
                    await asyncio.sleep(self.delay)
                for request in reversed(some):
                    self.in_flight -= 1
                    yield self._answer(request)
                    if self.error:
                        raise self.error
        finally:
            self.closed = True

    async def close(self) -> None:
        self.closed = True

    def _note(self, request: Request) -> None:
        self.asked.append(request.key)
        if self.log is not None:
            file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(file, f"{request.key}\n".encode())
            os.close(file)

    def _answer(self, request: Request) -> Outcome:
        if self.fault and (fault := self.fault(request)):
            return Outcome(request.key, finish="error", fault=fault)
        text = request.messages[-1].content[::-1]
        usage = Usage(prompt=len(text) // 4, completion=len(text) // 4)
        return Outcome(request.key, text, usage=usage, latency=0.01, cost=self.cost)


def make_prompt(
    text: str = "Route this: {{ ticket }}", *, name: str = "triage", content: str = "", output: Output | None = None
) -> Prompt:
    messages = (Message("system", "You route tickets."), Message("user", text))
    return Prompt(
        name, content or sha256(text.encode()).hexdigest()[:12], f"prompts/{name}.toml", messages, output=output
    )


def make_evalset(count: int = 12, *, name: str = "support") -> EvalSet:
    examples = tuple(
        Example(f"e{index:05}", {"ticket": f"Ticket {index}: where is my order?"}, tags=("odd",) if index % 2 else ())
        for index in range(count)
    )
    return EvalSet(name, f"{count:012x}", f"evalsets/{name}.toml", (), examples, (MetricSpec("exact", "exact"),))


def make_column(
    prompt: Prompt | None = None, model: str = "mini", *, subject: str = "triage", params: Params | None = None
) -> ColumnSpec:
    return ColumnSpec(
        subject,
        prompt or make_prompt(),
        "*",
        model,
        f"scripted:{model}",
        params or Params(),
        Capabilities(choices=True, json_schema=True, seed=True),
    )


def small_plan(
    count: int = 12, models: Sequence[str] = ("mini",), prompts: Sequence[Prompt] = (), *, trials: int = 1
) -> Plan:
    evalset = make_evalset(count)
    columns = [make_column(prompt, model) for prompt in prompts or [make_prompt()] for model in models]
    return make_plan(evalset, evalset.examples, columns, trials=trials, decision=Decision(trials=trials))
