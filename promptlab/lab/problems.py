"""What is wrong with the metrics of an eval set and with the steps of a chain, before anything is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from promptlab.errors import Problem
from promptlab.scoring import catalogue
from promptlab.scoring.families.meaning import MEANINGS
from promptlab.scoring.sets import STATISTICS
from promptlab.workspace.toml import did_you_mean, shown
from promptlab.workspace.values import EvalSet, MetricSpec, Prompt, Retrieve


def metric_problems(evalset: EvalSet, metrics: Iterable[MetricSpec]) -> list[Problem]:
    """What is wrong with an eval set's metrics, and with guardrails on metrics that it does not have."""
    specs = list(metrics)
    problems = [problem for spec in specs for problem in catalogue.validate(spec, evalset.source)]
    names = [spec.name for spec in specs]
    for guard in evalset.decision.guardrails:
        if guard.metric not in names:
            message = f"The guardrail names the metric `{guard.metric}`, which this eval set does not declare."
            hint = did_you_mean(guard.metric, names) or f"Its metrics: {', '.join(names)}."
            problems.append(Problem(message, evalset.source, key="decision.guardrails", hint=hint))
        elif not problems and _has_no_direction(specs[names.index(guard.metric)]):
            message = f"The metric `{guard.metric}` has no better or worse, so it cannot be a guardrail."
            hint = 'Give it `direction = "min"`.' if specs[names.index(guard.metric)].id == "length" else ""
            problems.append(Problem(message, evalset.source, key="decision.guardrails", hint=hint))
        elif any(spec.name == guard.metric and spec.id in STATISTICS for spec in specs):
            message = f"`{guard.metric}` is a metric of the whole column, which no guardrail can be on."
            hint = "Name a metric of single answers, such as `exact`."
            problems.append(Problem(message, evalset.source, key="decision.guardrails", hint=hint))
    return problems


def _has_no_direction(spec: MetricSpec) -> bool:
    return catalogue.describe(spec).direction == "info"


def model_problems(evalset: EvalSet, metrics: Iterable[MetricSpec], there: Collection[str]) -> list[Problem]:
    """The models that metrics ask and that promptlab.toml does not have.

    Args:
        evalset: Whose metrics they are.
        metrics: With the default judge and model filled in; where ``catalogue.validate`` finds fault, left out.
        there: Names of the models of the workspace.
    """
    return [
        _no_model(name, there, evalset.source, f"metrics.{spec.name}.{key}")
        for spec in metrics
        if (spec.id == catalogue.JUDGE or spec.id in MEANINGS) and not catalogue.validate(spec, evalset.source)
        for key in ("models", "model")
        if key in spec.options
        for name in catalogue.jurors(spec)
        if name not in there
    ]


def search_problems(chain: Prompt, there: Collection[str]) -> list[Problem]:
    """The models that steps of a chain search with and that are not ``there``, in promptlab.toml."""
    return [
        _no_model(step.does.model, there, chain.source, f"steps[{index}].retrieve.model")
        for index, step in enumerate(chain.steps)
        if isinstance(step.does, Retrieve) and step.does.model and step.does.model not in there
    ]


def _no_model(name: str, there: Collection[str], source: str, key: str) -> Problem:
    known = f"Models here: {', '.join(there) or 'none'}."
    return Problem(
        f"There is no model “{shown(name)}”.", source, key=key, hint=f"{did_you_mean(name, there)} {known}".strip()
    )
