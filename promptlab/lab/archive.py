"""A run as files: what ``results/<subject>/<run>/`` holds, and how a table is made of it again."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar, cast

import msgspec
from msgspec import Struct

from promptlab import __version__
from promptlab.errors import InvalidFile, Problem
from promptlab.lab.table import RunTable
from promptlab.lab.tracing import scores_of
from promptlab.lab.values import CellScored
from promptlab.models.values import Outcome, Usage
from promptlab.runs.traces import Trace
from promptlab.runs.values import JournalLine, Plan, Sequential, Variant
from promptlab.scoring.values import MetricInfo, Reply, Score
from promptlab.workspace.packed import ids_of
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.settings_values import StoreOutputs
from promptlab.workspace.toml import shown
from promptlab.workspace.values import Decision, Example, MetricSpec, Prompt

FORMAT = 1
Line = TypeVar("Line")
RUN, METRICS, OUTPUTS, EXAMPLES = "run.toml", "metrics.jsonl", "outputs.jsonl", "examples.jsonl"
TRACES = "traces.jsonl"
_AT_ONCE = 500
TRIALS = 1000
"""Of an example, at most."""


class MetricsLine(Struct, omit_defaults=True):
    """One line of ``metrics.jsonl``: what was measured on one cell. It changes with every run; outputs seldom do.

    ``rows`` is what the cell adds to metrics of the whole column, where its text is not stored to count it from.
    """

    column: str
    example: str
    trial: int = 0
    scores: dict[str, float] = {}
    missing: dict[str, str] = {}
    detail: dict[str, str] = {}
    replies: dict[str, tuple[Reply, ...]] = {}
    latency: float = 0.0
    usage: Usage = Usage()
    cost: float | None = None
    cached: bool = False
    rows: dict[str, list[float]] = {}


class OutputsLine(Struct, omit_defaults=True):
    """One line of ``outputs.jsonl``: what came back for one cell."""

    column: str
    example: str
    outcome: Outcome
    trial: int = 0


class TracesLine(Struct, omit_defaults=True):
    """One line of ``traces.jsonl``: how a chain came to the outcome of one cell."""

    column: str
    example: str
    trace: Trace
    trial: int = 0


class RunHead(Struct):
    """``run.toml``: what the run was."""

    format: int
    run: str
    subject: str
    digest: str
    state: str
    tool: str
    evalset: str
    evalset_content: str
    baseline: str
    trials: int
    columns: list[Variant]
    metrics: list[MetricSpec] = []
    decision: Decision = Decision()
    judges: dict[str, str] = {}
    judge_models: dict[str, str] = {}
    currency: str = ""
    versions: dict[str, int] = {}
    sequential: Sequential | None = None


def pack(table: RunTable, plan: Plan, store: StoreOutputs = "all") -> dict[str, bytes]:
    """File name to bytes. Lines are sorted by example, so that two runs differ only where they differ."""
    import tomli_w

    head = RunHead(
        format=FORMAT,
        run=table.run,
        subject=table.subject,
        digest=plan.digest,
        state=table.state,
        tool=f"promptlab {__version__}",
        evalset=table.evalset,
        evalset_content=table.evalset_content,
        baseline=table.baseline,
        trials=table.trials,
        columns=list(table.variants),
        metrics=list(table.metrics),
        decision=table.decision,
        judges=plan.judges,
        judge_models=plan.judge_models,
        currency=plan.currency,
        versions=table.versions,
        sequential=table.sequential,
    )
    plain = cast("dict[str, object]", _without_none(msgspec.to_builtins(head)))
    return {
        RUN: tomli_w.dumps(plain).encode(),
        EXAMPLES: b"".join(_jsonl(table.examples)),
        **_cells(table, store),
        **{prompt_file(name): data for name, data in plan.prompts.items()},
    }


def _cells(table: RunTable, store: StoreOutputs) -> dict[str, bytes]:
    """What there is of each cell; traces where there are any."""
    found: dict[str, bytearray] = {METRICS: bytearray(), OUTPUTS: bytearray(), TRACES: bytearray()}

    def put(file: str, line: Struct) -> None:
        found[file] += msgspec.json.encode(line) + b"\n"

    for metrics, output in _lines(table):
        if _withheld(table, output, store):
            metrics, output = _without_text(table, metrics, output)
        put(METRICS, metrics)
        put(OUTPUTS, output)
        trace = table.trace(output.column, output.example, output.trial)
        if trace is not None and output.outcome.stored:  # a trace holds the text and more
            put(TRACES, TracesLine(output.column, output.example, trace, output.trial))
    return {file: bytes(data) for file, data in found.items() if data or file != TRACES}


def _withheld(table: RunTable, line: OutputsLine, store: StoreOutputs) -> bool:
    if line.outcome.fault is not None or not line.outcome.stored:
        return False
    return store == "none" or (store == "failures" and not _failed(table, line))


def _failed(table: RunTable, line: OutputsLine) -> bool:
    """Whether the primary metric has no value, or says no."""
    if not table.primary:
        return False
    info = table.infos[table.primary]
    score = table.trial_scores(line.column, line.example, line.trial).get(table.primary)
    if score is None or score.value is None:
        return True
    return info.kind == "binary" and score.value != (0.0 if info.direction == "min" else 1.0)


def _without_text(table: RunTable, metrics: MetricsLine, output: OutputsLine) -> tuple[MetricsLine, OutputsLine]:
    outcome = msgspec.structs.replace(output.outcome, text="", stored=False)
    rows = table.rows_of(output.column, output.example, output.trial)
    return msgspec.structs.replace(metrics, rows=rows), msgspec.structs.replace(output, outcome=outcome)


def metrics_lines(table: RunTable) -> Iterator[bytes]:
    """``metrics.jsonl`` of a table, piece by piece."""
    return _jsonl(line for line, _ in _lines(table))


def reopen(plan: Plan, outcomes: Iterable[JournalLine], metrics: bytes) -> RunTable:
    """A table from the journal of a run that is not saved.

    Args:
        metrics: What ``metrics_lines`` wrote when the run ended; cells that are not in it are scored again,
            but for judges, whose scores are then missing.
    """
    table = RunTable.of_plan(plan)
    measured = {(m.column, m.example, m.trial): m for m in _read(metrics, MetricsLine)}
    for line in outcomes:
        found = measured.get((line.column, line.example, line.trial))
        if found is None:
            prompt = table.prompts[line.column]
            scores = scores_of(table.metrics, table.example(line.example), line.outcome, prompt, line.trace)
            table.add(CellScored(line.column, line.example, line.trial, line.outcome, scores, line.trace))
        else:
            table.add(_cell(OutputsLine(line.column, line.example, line.outcome, line.trial), found, line.trace))
    table.state = "complete" if table.revision >= plan.size else "partial"
    return table


def unpack(files: Mapping[str, bytes], where: str) -> RunTable:
    """A table from the files of a saved run.

    Raises:
        InvalidFile: They are not what ``pack`` writes: damaged, or of a newer version.
    """
    try:
        head = msgspec.convert(tomllib.loads(files[RUN].decode()), RunHead)
        examples = [msgspec.json.decode(line, type=Example) for line in files[EXAMPLES].splitlines()]
        metrics = {(m.column, m.example, m.trial): m for m in _read(files[METRICS], MetricsLine)}
        outputs = list(_read(files[OUTPUTS], OutputsLine))
        traces = {(t.column, t.example, t.trial): t.trace for t in _read(files.get(TRACES, b""), TracesLine)}
        prompts = {v.column: _prompt_of(files, f"{v.prompt}@{v.content}") for v in head.columns}
        judges = {metric: _prompt_of(files, version) for metric, version in head.judges.items()}
        _check(head, examples, outputs)
    except (KeyError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError, msgspec.DecodeError) as e:
        raise InvalidFile(
            Problem(f"this saved run cannot be read: {e}.", where, hint="Was it made by a newer promptlab?")
        ) from e
    table = RunTable(
        subject=head.subject,
        evalset=head.evalset,
        evalset_content=head.evalset_content,
        examples=examples,
        variants=head.columns,
        baseline=head.baseline,
        trials=head.trials,
        metrics=head.metrics,
        decision=head.decision,
        prompts=prompts,
        judges=judges,
        currency=head.currency,
    )
    table.run = head.run
    table.judge_models = head.judge_models
    table.versions.update(head.versions)
    table.sequential = head.sequential
    for line in outputs:
        measured = metrics.get((line.column, line.example, line.trial))
        table.add(_cell(line, measured, traces.get((line.column, line.example, line.trial))))
        if measured is not None and measured.rows:
            table.keep_rows(line.column, line.example, line.trial, measured.rows)
    table.state = "complete" if head.state == "complete" else "partial"
    return table


def _check(head: RunHead, examples: Sequence[Example], outputs: Iterable[OutputsLine]) -> None:
    """A table has a place for each of its cells, and for nothing else.

    Raises:
        ValidationError: There would be too many, or an answer has none.
    """
    if not 1 <= head.trials <= TRIALS:
        raise msgspec.ValidationError(f"{head.trials} trials, where 1 to {TRIALS} can be")
    ids, columns = {example.id for example in examples}, {variant.column for variant in head.columns}
    if len(ids) < len(examples):
        raise msgspec.ValidationError("two of its examples have the same id")
    for line in outputs:
        if line.example not in ids or line.column not in columns or not 0 <= line.trial < head.trials:
            place = shown(f"{line.column} {line.example} {line.trial}")
            raise msgspec.ValidationError(f"it has an answer for `{place}`, which is no cell of it")


def infos_of(files: Mapping[str, bytes], where: str) -> dict[str, MetricInfo]:
    """What the metrics of a saved run are, by name: none of its outcomes is read.

    Raises:
        InvalidFile: Its head is not what ``pack`` writes.
    """
    from promptlab.scoring.catalogue import described

    try:
        head = msgspec.convert(tomllib.loads(files[RUN].decode()), RunHead)
        judges = {metric: _prompt_of(files, version) for metric, version in head.judges.items()}
    except (KeyError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as fault:
        raise InvalidFile(Problem(f"this saved run cannot be read: {fault}.", where)) from fault
    return described(head.metrics, judges, head.currency)


def digest_of(files: Mapping[str, bytes]) -> str:
    """The digest of the plan that a saved run did, "" when it cannot be read."""
    try:
        return msgspec.convert(tomllib.loads(files[RUN].decode()), RunHead).digest
    except (KeyError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError):
        return ""


def _lines(table: RunTable) -> Iterator[tuple[MetricsLine, OutputsLine]]:
    for example in sorted(ids_of(table.examples)):
        for variant in table.variants:
            for trial in range(table.trials):
                outcome = table.outcome(variant.column, example, trial)
                if outcome is None:
                    continue
                scores = table.trial_scores(variant.column, example, trial).values()
                yield (
                    MetricsLine(
                        column=variant.column,
                        example=example,
                        trial=trial,
                        scores={s.metric: s.value for s in scores if s.value is not None},
                        missing={s.metric: s.missing for s in scores if s.value is None},
                        detail={s.metric: s.detail for s in scores if s.detail},
                        replies={s.metric: s.replies for s in scores if s.replies},
                        latency=outcome.latency,
                        usage=outcome.usage,
                        cost=outcome.cost,
                        cached=outcome.cached,
                    ),
                    OutputsLine(
                        column=variant.column,
                        example=example,
                        trial=trial,
                        outcome=Outcome(
                            key=outcome.key,
                            text=outcome.text,
                            finish=outcome.finish,
                            fingerprint=outcome.fingerprint,
                            fault=outcome.fault,
                            stored=outcome.stored,
                        ),
                    ),
                )


def _cell(line: OutputsLine, measured: MetricsLine | None, trace: Trace | None = None) -> CellScored:
    outcome, scores = line.outcome, ()
    if measured is not None:
        outcome = msgspec.structs.replace(
            outcome, latency=measured.latency, usage=measured.usage, cost=measured.cost, cached=measured.cached
        )
        found = (
            *(Score(m, value=v) for m, v in measured.scores.items()),
            *(Score(m, missing=why) for m, why in measured.missing.items()),
        )
        scores = tuple(
            msgspec.structs.replace(
                one, detail=measured.detail.get(one.metric, ""), replies=measured.replies.get(one.metric, ())
            )
            for one in found
        )
    return CellScored(line.column, line.example, line.trial, outcome, scores, trace)


def _prompt_of(files: Mapping[str, bytes], version: str) -> Prompt:
    return parse_prompt(files[prompt_file(version)], version.rpartition("@")[0], version)


def prompt_file(name: str) -> str:
    """``judges/polite@0a1b…`` → ``prompt-judges-polite-0a1b….toml``: the run's own copy of a column's prompt."""
    return "prompt-" + name.replace("/", "-").replace("@", "-").replace(":", "-") + ".toml"


def _jsonl(lines: Iterable[Struct]) -> Iterator[bytes]:
    """A line for each of them, some at a time."""
    rest = iter(lines)
    while some := [msgspec.json.encode(line) for line in islice(rest, _AT_ONCE)]:
        yield b"\n".join([*some, b""])


def _read(data: bytes, line_type: type[Line]) -> Iterator[Line]:
    decoder = msgspec.json.Decoder(line_type)
    return (decoder.decode(line) for line in data.splitlines() if line.strip())


def _without_none(value: object) -> object:
    """TOML has no null: keys without a value are left out."""
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        return {key: _without_none(item) for key, item in table.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in cast("list[object]", value)]
    return value
