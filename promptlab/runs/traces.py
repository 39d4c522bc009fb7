"""What happened inside a chain: its steps, what each asked and was answered."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from promptlab.models.values import Outcome, Usage
from promptlab.workspace.values import Message

StepState = Literal["done", "skipped", "failed"]


class Call(Struct, frozen=True, omit_defaults=True):
    """One question to a model and its answer.

    Attributes:
        label: What it was for: ``ask``, ``sample 2``, ``critic 1``, ``again 1``.
        messages: As the model was sent them; empty where they are those of the call before.
    """

    label: str
    outcome: Outcome
    messages: tuple[Message, ...] = ()


class StepTrace(Struct, frozen=True, omit_defaults=True):
    """One step of a chain on one example.

    Attributes:
        op: Its operation: ``prompt``, ``vote`` …
        text: Its output, "" unless it is done.
        values: What else later steps can ask of it, such as ``agreement`` or ``passages``.
        note: What it did, as a short sentence, or "".
        problem: Why it failed or was skipped, as a sentence.
    """

    step: str
    op: str
    state: StepState = "done"
    text: str = ""
    calls: tuple[Call, ...] = ()
    values: dict[str, object] = {}
    note: str = ""
    problem: str = ""

    @property
    def seconds(self) -> float:
        """Of the model, all calls together."""
        return sum(call.outcome.latency for call in self.calls)

    @property
    def usage(self) -> Usage:
        """Tokens of all calls."""
        return total_usage(self.calls)

    @property
    def cost(self) -> float | None:
        """Of all calls, None where none has a price."""
        return total_cost(self.calls)

    def messages(self, at: int) -> tuple[Message, ...]:
        """What call number ``at`` sent."""
        return next((call.messages for call in reversed(self.calls[: at + 1]) if call.messages), ())


class Trace(Struct, frozen=True, omit_defaults=True):
    """How a chain came to its outcome on one example.

    Attributes:
        steps: In the order of the file.
        answer: Name of the step whose text is the chain's answer, "" where there is none.
    """

    steps: tuple[StepTrace, ...]
    answer: str = ""

    def step(self, name: str) -> StepTrace | None:
        """One of the steps."""
        return next((step for step in self.steps if step.step == name), None)

    @property
    def failed(self) -> StepTrace | None:
        """The first step that failed of itself, or None."""
        return next((step for step in self.steps if step.state == "failed" and not step.values.get("blocked")), None)

    @property
    def calls(self) -> tuple[Call, ...]:
        """Of all steps."""
        return tuple(call for step in self.steps for call in step.calls)

    @property
    def spent(self) -> float | None:
        """What was paid for now: calls that were answered from the cache cost nothing."""
        return total_cost(tuple(call for call in self.calls if not call.outcome.cached))


def total_cost(calls: tuple[Call, ...]) -> float | None:
    """The cost of calls, None where none has a price."""
    costs = [call.outcome.cost for call in calls if call.outcome.cost is not None]
    return sum(costs) if costs else None


def total_usage(calls: tuple[Call, ...]) -> Usage:
    """The tokens of calls."""
    used = [call.outcome.usage for call in calls]
    return Usage(
        prompt=sum(usage.prompt for usage in used),
        completion=sum(usage.completion for usage in used),
        cached=sum(usage.cached for usage in used),
        reasoning=sum(usage.reasoning for usage in used),
    )
