"""What is scored of a chain: its answer, or the text of the step that a metric is on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from promptlab.models.cache import Cache
from promptlab.models.values import Model, Outcome
from promptlab.runs.progress import Meter
from promptlab.runs.traces import StepTrace, Trace
from promptlab.scoring.catalogue import COMPUTED, OUTSIDE
from promptlab.scoring.families.detectors import SYSTEM
from promptlab.scoring.metric import NOTHING, Beside
from promptlab.scoring.metrics import score
from promptlab.scoring.steps import StepGrades
from promptlab.scoring.values import Score
from promptlab.workspace.corpora import Corpora
from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.templates import render
from promptlab.workspace.values import Example, MetricSpec, Output, Prompt


def grades_for(
    corpora: Corpora, model_of: Callable[[str], Model], cache: Cache | None, meter: Meter | None = None
) -> StepGrades:
    """What chains need of scoring, and of corpora with the models that embed them."""
    from promptlab.lab.retrieving import Passages

    return StepGrades(Passages(corpora, model_of, cache, meter or Meter()))


def seen_by(spec: MetricSpec, outcome: Outcome, trace: Trace | None) -> Outcome | str:
    """What a metric looks at: the outcome, or that of its step; or why there is nothing to look at."""
    if not spec.on:
        return outcome
    if trace is None:
        if outcome.fault is not None:
            return f"error: {outcome.fault.message}"
        return f"this column is no chain, so it has no step `{spec.on}`"
    step = trace.step(spec.on)
    if step is None:
        return f"this chain has no step `{spec.on}`"
    if step.state != "done":
        return f"step `{spec.on}`: {step.problem}"
    return outcome_of(step, outcome.key)


def outcome_of(step: StepTrace, key: str) -> Outcome:
    """A step that is done, as an outcome of its own."""
    calls = step.calls
    return Outcome(
        key,
        step.text,
        usage=step.usage,
        latency=step.seconds,
        cost=step.cost,
        cached=bool(calls) and all(call.outcome.cached for call in calls),
    )


def scores_of(
    specs: Sequence[MetricSpec],
    example: Example,
    outcome: Outcome,
    prompt: Prompt,
    trace: Trace | None,
    beside: Beside = NOTHING,
) -> tuple[Score, ...]:
    """The computed scores of one cell, each on what its metric looks at; judge metrics are left out."""
    beside = beside._replace(system=_system(specs, example, prompt))
    plain = [spec for spec in specs if not spec.on]
    found = list(score(plain, example, outcome, prompt.output, beside))
    for spec in specs:
        if not spec.on or spec.id in OUTSIDE:
            continue
        seen = seen_by(spec, outcome, trace)
        if isinstance(seen, str):
            found.append(Score(spec.name, missing=seen))
        else:
            found += score((spec,), example, seen, _contract(prompt, spec.on), beside)
    order = {spec.name: place for place, spec in enumerate(specs)}
    return tuple(sorted(found, key=lambda one: order[one.metric]))


def _system(specs: Sequence[MetricSpec], example: Example, prompt: Prompt) -> str:
    """The system messages that a prompt sends for an example, where a metric needs them; a chain sends none."""
    if not any(spec.id in COMPUTED and COMPUTED[spec.id].info.needs == SYSTEM for spec in specs):
        return ""
    try:
        sent = render(prompt, example.vars).messages
    except TemplateFault:
        return ""
    return "\n".join(message.content for message in sent if message.role == "system")


def _contract(chain: Prompt, name: str) -> Output | None:
    step = next((step for step in chain.steps if step.name == name), None)
    prompt = getattr(step.does, "prompt", None) if step else None
    return prompt.output if isinstance(prompt, Prompt) else None
