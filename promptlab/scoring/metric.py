"""What a computed metric is, and what it looks at."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, cast

from msgspec import structs

from promptlab.models.values import Outcome
from promptlab.scoring.values import MetricInfo, Score
from promptlab.workspace import sheet as check
from promptlab.workspace.patterns import LONGEST
from promptlab.workspace.sheet import Check, Sheet
from promptlab.workspace.values import Example, MetricSpec, Output

Options = Mapping[str, object]


class Missing(Exception):
    """This metric has no value here; the text says why."""


class Beside(NamedTuple):
    """What a metric may know beside example and answer.

    Attributes:
        corrections: What people said that an answer to this example should have been.
        system: The system messages that the model was sent, as one text.
    """

    corrections: Sequence[str] = ()
    system: str = ""


NOTHING = Beside()


class Case(NamedTuple):
    """What a metric looks at. ``text`` is the answer without the white space around it."""

    name: str
    options: Options
    example: Example
    outcome: Outcome
    text: str
    output: Output | None
    beside: Beside = NOTHING

    @classmethod
    def of(
        cls,
        spec: MetricSpec,
        example: Example,
        outcome: Outcome,
        output: Output | None,
        beside: Beside = NOTHING,
    ) -> Case:
        return cls(spec.name, spec.options, example, outcome, outcome.text.strip(), output, beside)

    def score(self, value: float, detail: str = "") -> Score:
        return Score(self.name, float(value), detail=detail)

    def share(self, value: float, detail: str = "") -> Score:
        """A score from 0 to 1, which rounding must not carry past either end."""
        return self.score(min(1.0, max(0.0, value)), detail)

    @property
    def expected(self) -> object:
        if self.example.expected is None:
            raise Missing("the example has no `expected`")
        return self.example.expected

    @property
    def alternatives(self) -> list[str]:
        """Right answers as texts: a list holds alternatives, a number or a table is written as JSON."""
        expected = self.expected
        found = cast("list[object]", expected) if isinstance(expected, list) else [expected]
        texts = [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in found]
        if not any(text.strip() for text in texts):
            raise Missing("the example's `expected` is empty")
        return [text for text in texts if text.strip()]

    @property
    def reference(self) -> str:
        return _filled("reference", self.example.reference)

    @property
    def previous(self) -> str:
        return _filled("previous", self.example.previous)

    @property
    def corrected(self) -> list[str]:
        texts = [text.strip() for text in self.beside.corrections if text.strip()]
        if not texts:
            raise Missing("nobody has corrected an answer to this example")
        return texts

    @property
    def system(self) -> str:
        if not self.beside.system.strip():
            raise Missing("no system message was sent")
        return self.beside.system

    @property
    def searched(self) -> str:
        """The answer, for patterns."""
        if len(self.text) > LONGEST:
            raise Missing(
                f"the answer has {len(self.text):,} characters, and a pattern is run on {LONGEST:,} at most"
            )
        return self.text


def _filled(field: str, text: str | None) -> str:
    if text is None:
        raise Missing(f"the example has no `{field}`")
    if not text.strip():
        raise Missing(f"the example's `{field}` is empty")
    return text.strip()


class Metric(NamedTuple):
    """One entry of the catalogue.

    Attributes:
        compute: The score of one case; raises ``Missing``.
        options: What an eval set may say about it, beside ``id`` and ``name``.
        required: Options that it must say.
        described: What the scores are, the options considered.
        checked: Looks at options together, and notes what is wrong.
    """

    info: MetricInfo
    compute: Callable[[Case], Score]
    options: Mapping[str, Check] = {}
    required: tuple[str, ...] = ()
    described: Callable[[MetricInfo, Options], MetricInfo] = lambda info, options: info
    checked: Callable[[Options, Sheet], None] = lambda options, sheet: None


def yes_no(
    id: str, summary: str, needs: str = "", direction: Literal["max", "min"] = "max", version: int = 1
) -> MetricInfo:
    """A yes-or-no metric, where yes is better unless ``direction`` says otherwise."""
    return MetricInfo(id, direction, "binary", 0.0, 1.0, "", needs, version, summary)


def number(
    id: str,
    summary: str,
    needs: str = "",
    direction: Literal["max", "min", "info"] = "info",
    unit: str = "",
    high: float | None = None,
    version: int = 1,
) -> MetricInfo:
    """A metric with numbers from 0 to ``high``."""
    return MetricInfo(id, direction, "numeric", 0.0, high, unit, needs, version, summary)


def amount(
    info: MetricInfo, measure: Callable[[Case], float], limit: Check | None = None, options: Mapping[str, Check] = {}
) -> Metric:
    """A metric with a number that becomes yes or no where the options give it a `min` or a `max`.

    Args:
        info: Of the number.
        measure: The number of one case.
        limit: What `min` and `max` may be: by default a whole number.
        options: Further options.
    """

    def compute(case: Case) -> Score:
        value = measure(case)
        least, most = case.options.get("min"), case.options.get("max")
        if least is None and most is None:
            return case.score(value)
        within = (least is None or value >= cast("float", least)) and (most is None or value <= cast("float", most))
        said = f"{value:,.0f}" if value == int(value) else f"{value:.4g}"
        return case.score(within, f"{said} {_unit(info, case.options)}".rstrip())

    limit = limit or check.whole(0)
    return Metric(
        info,
        compute,
        {**options, "min": limit, "max": limit, "direction": check.one_of("min", "max", "info")},
        described=limited,
        checked=check_limits,
    )


def _unit(info: MetricInfo, options: Options) -> str:
    return str(options.get("unit", info.unit))


def limited(info: MetricInfo, options: Options) -> MetricInfo:
    """What an amount is under its options: yes or no with a `min` or `max`, else the number."""
    unit = _unit(info, options)
    bounds = [f"at {word} {options[key]}" for key, word in (("min", "least"), ("max", "most")) if key in options]
    if bounds:
        said = f"{info.summary}: {' and '.join(bounds)} {unit}".rstrip()
        return yes_no(info.id, said, info.needs, version=info.version)
    direction = cast('Literal["min", "max", "info"]', options.get("direction", info.direction))
    return structs.replace(info, direction=direction, unit=unit)


def check_limits(options: Options, sheet: Sheet) -> None:
    """A limit leaves no room for a direction, and the least is not above the most."""
    limits = [key for key in ("min", "max") if key in options]
    if limits and "direction" in options:
        message = f"With `{limits[0]}` the score is yes or no: `direction` has no meaning."
        sheet.problem(("direction",), message, "Remove it.")
    if len(limits) == 2 and cast("float", options["min"]) > cast("float", options["max"]):
        sheet.problem(("min",), "`min` is above `max`, which nothing can be.", "Exchange them.")
