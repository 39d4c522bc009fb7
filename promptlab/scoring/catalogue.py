"""The metrics that an eval set may name, and what an entry of one says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, cast

from msgspec import structs

from promptlab.errors import Problem, UsageFault
from promptlab.scoring import custom
from promptlab.scoring.families import (
    answers,
    checks,
    corpus,
    corrections,
    detectors,
    formats,
    json_answers,
    labels,
    language,
    personal,
    previous,
    references,
    trials,
    weighed,
)
from promptlab.scoring.families.meaning import MEANINGS
from promptlab.scoring.metric import Metric
from promptlab.scoring.values import MetricInfo
from promptlab.workspace import sheet as check
from promptlab.workspace.scan import KeyPath
from promptlab.workspace.sheet import Sheet
from promptlab.workspace.toml import did_you_mean, show_path, shown
from promptlab.workspace.values import Judge, MetricSpec, Prompt

JUDGE = "judge"
"""The metric that asks a model; the others are computed."""

PEOPLE = "people"
"""The metric of what people said; it is read from their reviews."""

_FAMILIES = (
    answers,
    json_answers,
    labels,
    references,
    corpus,
    previous,
    corrections,
    checks,
    formats,
    language,
    detectors,
    personal,
    trials,
)
COMPUTED: dict[str, Metric] = {metric.info.id: metric for family in _FAMILIES for metric in family.METRICS}
CATALOGUE: dict[str, MetricInfo] = {id: metric.info for id, metric in COMPUTED.items()} | {
    JUDGE: MetricInfo(JUDGE, "max", "numeric", None, None, "", "", 1, "the grade that a judge gives"),
    PEOPLE: MetricInfo(PEOPLE, "max", "binary", 0.0, 1.0, "", "", 1, "what people said in their reviews"),
    custom.PYTHON: custom.INFO,
    weighed.CHOICE_PROB: weighed.INFO,
    **{id: meaning.info for id, meaning in MEANINGS.items()},
}
_ASKED: dict[str, tuple[Literal["binary", "numeric", "preference"], float | None]] = {
    "thumb": ("binary", 1.0),
    "grade": ("numeric", None),
    "pairwise": ("preference", 1.0),
}
AMOUNTS = frozenset({"latency", "first_token", "cost", "tokens_in", "tokens_out", "length"})
"""Metrics whose numbers are compared as ratios: a second more is much of one and little of sixty."""
SEARCHING = frozenset({"regex", "json_schema"})
"""Metrics that search with a person's pattern: one answer may take seconds."""

OUTSIDE = frozenset({JUDGE, PEOPLE, custom.PYTHON, weighed.CHOICE_PROB, *MEANINGS})
"""Metrics whose scores come from elsewhere: a model, people, or a process of the workspace's own code."""
_EXPECTED = 2
"""Edition of what an expected grade is: the first one was none where grades had less than half of the probability."""
_JUDGE_OPTIONS = {
    "judge": check.word,
    "model": check.word,
    "models": check.words,
    "aggregate": check.one_of("mean", "median", "trimmed", "majority"),
    "weights": check.numbers(0.0, above=True),
}


def validate(spec: MetricSpec, source: str) -> list[Problem]:
    """What is wrong with one ``[[metrics]]`` entry.

    Args:
        spec: The entry as the eval set has it.
        source: The eval set's file, for the message.
    """

    def place(path: KeyPath, below: int) -> tuple[int, str]:
        return 0, show_path(("metrics", spec.name, *path))

    sheet = Sheet(source, place)
    naming = {"id": check.anything, "name": check.anything}
    if spec.id == JUDGE:
        _check_jury(sheet.table(dict(spec.options), (), naming | _JUDGE_OPTIONS, ("judge",)), sheet)
    elif spec.id == PEOPLE:
        sheet.table(dict(spec.options), (), naming | {"kind": check.one_of(*_ASKED)})
    elif spec.id == custom.PYTHON:
        custom.check_range(sheet.table(dict(spec.options), (), naming | custom.OPTIONS, ("python",)), sheet)
    elif meaning := MEANINGS.get(spec.id):
        sheet.table(dict(spec.options), (), naming | {"model": check.word} | dict(meaning.options), ("model",))
    elif spec.id == weighed.CHOICE_PROB:
        sheet.table(dict(spec.options), (), naming | weighed.OPTIONS)
    elif metric := COMPUTED.get(spec.id):
        metric.checked(sheet.table(dict(spec.options), (), {**naming, **metric.options}, metric.required), sheet)
    else:
        sheet.problem(("id",), f"There is no metric `{shown(spec.id)}`.", _known(spec.id))
    return sheet.problems()


def _check_jury(found: Mapping[str, object], sheet: Sheet) -> None:
    """Note what is wrong with the models that a judge is asked of, and with how their grades become one."""
    if "model" in found and "models" in found:
        sheet.problem(("models",), "A judge is asked of one `model` or of several `models`.", "Remove one of them.")
    several = cast("list[str] | None", found.get("models"))
    if several is not None and len(set(several)) < 2:
        sheet.problem(("models",), "A jury needs at least two different models.", "Name one with `model`.")
    if found.get("aggregate") == "trimmed" and len(several or ()) < 3:
        message = "A trimmed mean leaves out the lowest and the highest grade, so it needs at least three `models`."
        sheet.problem(("aggregate",), message, "Name more, or take `median`.")
    weights = cast("dict[str, float] | None", found.get("weights"))
    if weights is None:
        return
    if found.get("aggregate", "mean") != "mean":
        sheet.problem(("weights",), f"Weights are of a mean, not of `{found['aggregate']}`.", "Remove one of them.")
    for name in weights:
        if name not in (several or ()):
            hint = did_you_mean(name, several or ()) or "Give each of `models` at most one weight; 1 without it."
            sheet.problem(("weights", name), f"`{shown(name)}` is none of the `models` of this jury.", hint)


def jurors(spec: MetricSpec) -> tuple[str, ...]:
    """Names of the models that a judge or a metric of meaning asks: one, or a jury of several."""
    several = spec.options.get("models")
    return tuple(cast("list[str]", several)) if several else (str(spec.options["model"]),)


def describe(spec: MetricSpec, judge: Judge | None = None, currency: str = "") -> MetricInfo:
    """What the scores of this entry are, its options considered.

    Args:
        spec: A valid entry.
        judge: The ``[judge]`` table behind a judge metric, where known: it gives the range, and makes scores of 0 and
            1 only ``binary``.
        currency: Of the models' prices, the unit of ``cost``.

    Raises:
        UsageFault: The metric is not in the catalogue.
    """
    if spec.id == JUDGE:
        return _judged(CATALOGUE[JUDGE], judge) if judge is not None else CATALOGUE[JUDGE]
    if spec.id == PEOPLE:
        kind, high = _ASKED[str(spec.options.get("kind", "thumb"))]
        return structs.replace(CATALOGUE[PEOPLE], kind=kind, low=None if high is None else 0.0, high=high)
    if spec.id == custom.PYTHON:
        return custom.described(spec.options)
    if meaning := MEANINGS.get(spec.id):
        return meaning.described(spec.options)
    if spec.id == weighed.CHOICE_PROB:
        return weighed.INFO
    metric = computed(spec.id)
    if spec.id == "cost":
        return structs.replace(metric.info, unit=currency)
    return metric.described(metric.info, spec.options)


def described(
    metrics: Iterable[MetricSpec], judges: Mapping[str, Prompt], currency: str = ""
) -> dict[str, MetricInfo]:
    """Name to what its scores are, of all metrics of a run with their judges by metric."""
    return {
        spec.name: describe(spec, judges[spec.name].judge if spec.name in judges else None, currency)
        for spec in metrics
    }


def computed(id: str) -> Metric:
    """The computed metric of this id.

    Raises:
        UsageFault: It is not in the catalogue.
    """
    metric = COMPUTED.get(id)
    if metric is None:
        raise UsageFault(f"There is no metric `{shown(id)}`. {_known(id)}")
    return metric


def _judged(info: MetricInfo, judge: Judge) -> MetricInfo:
    if judge.kind == "pairwise":
        summary = "whether a judge prefers the answer to the baseline's"
        return structs.replace(info, kind="preference", low=0.0, high=1.0, summary=summary)
    grades = judge.scale or tuple((judge.choices or {}).values())
    f1 = judge.claims_of == "both"
    given = judge.kind == "grade" and not judge.expected and not judge.turned  # else it is a mean
    yes_or_no = given and judge.choices is not None and set(grades) <= {0.0, 1.0}
    return structs.replace(
        info,
        kind="binary" if yes_or_no else "numeric",
        low=0.0 if f1 else float(min(grades)),
        high=1.0 if f1 else float(max(grades)),
        version=_EXPECTED if judge.expected else info.version,
    )


def _known(id: str) -> str:
    return did_you_mean(id, CATALOGUE) or f"Known metrics: {', '.join(CATALOGUE)}."
