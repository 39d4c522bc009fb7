"""The models of a workspace side by side: what each is, and how good, fast and dear it is with one prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, structs

from promptlab.errors import PromptlabError
from promptlab.lab import planning
from promptlab.models import registry

if TYPE_CHECKING:
    from promptlab.compare.values import Interval
    from promptlab.lab.opening import Opener
    from promptlab.lab.table import RunTable
    from promptlab.lab.values import ColumnSummary
    from promptlab.models.gguf.header import Header
    from promptlab.models.values import ModelInfo
    from promptlab.scoring.values import MetricInfo
    from promptlab.workspace.values import EvalSet

Axis = Literal["latency", "cost"]
"""What quality is weighed against: seconds of the middle answer, or money."""

RUNS_LOOKED_AT = 20
"""Newest runs with a text of the prompt that are opened, so that a long past costs no more than a short one."""


class Measured(Struct, frozen=True):
    """What one stored run says of a model with the prompt.

    Attributes:
        run, column: Where it stands.
        mean: Of the table's metric; None when no answer has a value.
        answers, failed: Cells with an answer, and cells that failed.
        latency_p50, latency_p95: Seconds.
        cost: Of 1,000 answers, in the currency of the model's price; 0 for a file on this machine, None without a
            known price.
    """

    run: str
    column: str
    time: int
    mean: Interval | None
    answers: int
    failed: int
    latency_p50: float | None
    latency_p95: float | None
    tokens_per_second: float | None
    cost: float | None


class ModelRow(Struct, frozen=True):
    """One model.

    Attributes:
        trusted: False for an endpoint that would get a key and that the person has not allowed yet.
        license: As promptlab.toml says, else as the file does.
        context: Tokens that a run will use, None where an endpoint decides.
        quantisation: The type that most weights have, "" for an endpoint.
        currency: Of the price, "" without one.
    """

    info: ModelInfo
    trusted: bool
    license: str
    context: int | None
    quantisation: str
    currency: str
    measured: Measured | None = None

    def value(self, axis: Axis) -> float | None:
        """What it takes: seconds of the middle answer, or the cost of 1,000; None where that is not known."""
        if self.measured is None:
            return None
        return self.measured.latency_p50 if axis == "latency" else self.measured.cost


class ModelTable(Struct, frozen=True):
    """All models of the workspace, as one prompt and one eval set measured them.

    Attributes:
        prompt, version: The text that was measured: the working copy of the prompt.
        metric: The primary metric of the eval set; "" without an eval set.
        info: What the metric is; None while no run has measured it.
        problem: Why nothing can be measured with this prompt, or "".
    """

    prompt: str
    version: str
    evalset: str
    examples: int
    metric: str
    info: MetricInfo | None
    rows: tuple[ModelRow, ...]
    problem: str = ""

    def front(self, axis: Axis) -> frozenset[str]:
        """Names of the models that no other one beats in quality without taking more, by the means alone.

        Costs in different currencies cannot be weighed: then the front is empty.
        """
        direction = self.info.direction if self.info else "info"
        if direction == "info" or (axis == "cost" and len(self.currencies) > 1):
            return frozenset()
        sign = -1 if direction == "min" else 1
        places = [
            (row.info.name, sign * row.measured.mean.mean, value)
            for row in self.rows
            if row.measured and row.measured.mean and (value := row.value(axis)) is not None
        ]
        return frozenset(
            name
            for name, quality, taken in places
            if not any(q >= quality and t <= taken and (q, t) != (quality, taken) for _, q, t in places)
        )

    @property
    def currencies(self) -> tuple[str, ...]:
        """Of the costs in the table."""
        costly = (row.currency for row in self.rows if row.measured and row.measured.cost)
        return tuple(dict.fromkeys(costly))


def model_table(lab: Opener, prompt: str = "", evalset: str = "") -> ModelTable:
    """The models of the workspace with what the newest stored runs of a prompt's current text say of them.

    Only columns that ran exactly this text, without changed parameters, on the examples of the eval set as they are
    now and on the model as it is now: other numbers are of another ruler. The run with most answers counts, the
    newest among equals.

    Args:
        prompt: By default the workspace's default prompt, else its first.
        evalset: By default the prompt's usual one, else the first.

    Raises:
        NotFound: There is no such prompt or eval set.
        InvalidFile: The prompt or the eval set does not load.
    """
    infos = lab.models()
    untrusted = {entry.name for entry in lab.untrusted()}
    bare = tuple(_row(lab, info, info.name not in untrusted) for info in infos)
    names = [row.name for row in lab.prompts() if row.kind == "prompt"]
    name = prompt or lab.settings.defaults.prompt or next(iter(names), "")
    if not name:
        return ModelTable("", "", "", 0, "", None, bare, "There is no prompt yet: press 1, then n, to create one.")
    subject = lab.subject(name)
    asked = evalset or lab.evalset_for(subject.prompt) or next(iter(lab.evalset_names()), "")
    if not asked:
        why = "There is no eval set yet: create evalsets/NAME.toml with [[examples]] and [[metrics]]."
        return ModelTable(name, subject.version, "", 0, "", None, bare, why)
    cases = lab.evalset(asked)
    metrics = planning.judged_by_default(lab.workspace, cases.metrics)
    metric = cases.decision.primary or next((spec.name for spec in metrics), "")
    table = ModelTable(name, subject.version, asked, len(cases.examples), metric, None, bare)
    return _measured(lab, table, subject.prompt.content, cases)


def _row(lab: Opener, info: ModelInfo, trusted: bool) -> ModelRow:
    entry = lab.settings.models[info.name]
    header = registry.header(entry, lab.root)
    return ModelRow(
        info,
        trusted,
        license=info.license or (header.license if header else ""),
        context=registry.context_of(entry, header),
        quantisation=_most(header),
        currency=entry.price.currency if entry.price else "",
    )


def _most(header: Header | None) -> str:
    return header.quantisation[0][0] if header and header.quantisation else ""


def _measured(lab: Opener, table: ModelTable, content: str, cases: EvalSet) -> ModelTable:
    """The table with what stored runs say."""
    rows = {row.info.name: row for row in table.rows}
    info: MetricInfo | None = None
    for found, column in _columns(lab, table.prompt, content, cases):
        about, variant = found.infos.get(table.metric), found.variant(column)
        row = rows.get(variant.model)
        # A preference is a share of wins over another column: it says nothing of this one alone.
        if row is None or about is None or about.kind == "preference" or not _same_model(row, variant.identity):
            continue
        one = _measure(found, column, table.metric, row)
        if one.answers + one.failed and (row.measured is None or one.answers > row.measured.answers):
            rows[variant.model], info = structs.replace(row, measured=one), info or about
    return structs.replace(table, rows=tuple(rows.values()), info=info)


def _columns(lab: Opener, prompt: str, content: str, cases: EvalSet) -> Iterator[tuple[RunTable, str]]:
    """The columns of stored runs that measured this text on these examples, newest run first."""
    opened = 0
    for found in lab.runs_of(prompt):
        record = found.run.record
        letters = [line.column for line in found.columns if line.content == content and not line.set]
        if not letters or (record and record.evalset_content != cases.content):
            continue
        if opened == RUNS_LOOKED_AT:
            return
        opened += 1
        try:
            table = lab.open_run(found.run.id)
        except PromptlabError:
            continue  # damaged, or removed since it was listed: Results says so
        if (table.evalset, table.evalset_content) == (cases.name, cases.content):
            yield from ((table, letter) for letter in letters)


def _same_model(row: ModelRow, identity: str) -> bool:
    """Whether a column's model is that of today; a file too large to be digested for a table is taken for it."""
    return not row.info.identity or row.info.identity == identity.partition(planning.JURY)[0]


def _measure(table: RunTable, column: str, metric: str, row: ModelRow) -> Measured:
    summary = table.summary(column)
    answers = summary.done - summary.failed
    return Measured(
        run=table.run,
        column=column,
        time=table.time,
        mean=summary.means.get(metric),
        answers=answers,
        failed=summary.failed,
        latency_p50=summary.latency_p50,
        latency_p95=summary.latency_p95,
        tokens_per_second=summary.tokens_per_second,
        cost=_cost(summary, answers, row),
    )


def _cost(summary: ColumnSummary, answers: int, row: ModelRow) -> float | None:
    if row.info.kind == "gguf":
        return 0.0
    return 1000 * summary.cost / answers if summary.cost is not None and answers else None


def usable(rows: Sequence[ModelRow]) -> tuple[str, ...]:
    """Names of the models that can be asked now."""
    return tuple(row.info.name for row in rows if not row.info.problem)
