"""Two columns of stored runs, or two versions of a prompt, side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from promptlab.compare.values import DiffSpan, Verdict
from promptlab.compare.words import word_diff
from promptlab.errors import UsageFault
from promptlab.lab.builds import other_builds
from promptlab.lab.measuring import mean_of, verdict_of
from promptlab.lab.table import RunTable
from promptlab.lab.values import Comparison, ExampleChange, FieldDiff, OutputDiff, Subject
from promptlab.lab.wording import plural
from promptlab.models.values import NOT_STORED, Outcome
from promptlab.workspace.values import MetricSpec, Prompt, Step

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?")


def compare(before: RunTable, before_column: str, after: RunTable, after_column: str) -> Comparison:
    """The candidate column ``after`` against ``before``, over the examples that both ran with the same content.

    Raises:
        UsageFault: The two share no metric.
    """
    if (before.run, before_column) == (after.run, after_column):
        raise UsageFault("The two are the same column: name another run, or another column as RUN:b.")
    shared = [name for name in before.infos if name in after.infos]
    metrics = [name for name in shared if _comparable((before, before_column), (after, after_column), name)]
    if not shared:
        raise UsageFault("The two runs share no metric. `promptlab score RUN -M METRIC` gives one of them more.")
    if not metrics:
        raise UsageFault(
            f"The two runs scored by different definitions or judges: {', '.join(shared)}. "
            "`promptlab score RUN` scores one of them anew."
        )
    primary = before.primary if before.primary in metrics else metrics[0]
    common, notes = _common(before, after)
    old, new = before.variant(before_column), after.variant(after_column)
    if old.model == new.model and old.identity != new.identity:
        notes += (f"{old.model} is not the same model in the two runs: its file, or where it answers, has changed.",)
    if old.identity == new.identity and (build := other_builds((before, before_column), (after, after_column))):
        notes += (build,)
    notes += tuple(f"{name} is left out: {_why_not(before, name)}." for name in shared if name not in metrics)
    if left_out := before.unstored + after.unstored:
        notes += (f"{plural(left_out, 'output')} were not stored with the runs: their words cannot be compared.",)
    ordered = [primary, *(metric for metric in metrics if metric != primary)]
    sides = (before, before_column), (after, after_column)
    deciding = [metric for metric in ordered if before.infos[metric].direction != "info"]
    verdicts = [verdict for metric in deciding if (verdict := verdict_of(*sides, metric, common)) is not None]
    return Comparison(
        before=_label(before, before_column),
        after=_label(after, after_column),
        means=tuple(
            (metric, mean_of(before, before_column, metric, common), mean_of(after, after_column, metric, common))
            for metric in ordered
        ),
        verdicts=tuple(verdicts),
        changed=tuple(_changes(verdicts[0] if verdicts else None, before, before_column, after, after_column)),
        notes=notes,
    )


def _why_not(table: RunTable, metric: str) -> str:
    if table.infos[metric].kind == "preference":
        return "these two columns were not put before its judge as a pair"
    return "the two runs scored it by different options, definitions or judges"


def _comparable(before: tuple[RunTable, str], after: tuple[RunTable, str], metric: str) -> bool:
    """Whether both scored by the same definition or judge; a preference was asked about one pair of columns only."""
    if before[0].infos[metric].kind == "preference":
        return before[0] is after[0] and after[0].baseline_of(after[1]) == before[1]
    return scorer_of(before[0], metric) == scorer_of(after[0], metric)


def scorer_of(table: RunTable, metric: str) -> tuple[MetricSpec, int, str, str]:
    """What made the scores of a metric: those of another scorer are other scores, whatever their name."""
    spec = next(spec for spec in table.metrics if spec.name == metric)
    judge = table.judges[metric].content if metric in table.judges else ""
    return spec, table.versions.get(metric, 1), judge, table.judge_models.get(metric, "")


def _label(table: RunTable, column: str) -> str:
    return f"{table.variant(column).label} ({table.run}:{column})"


def _common(before: RunTable, after: RunTable) -> tuple[frozenset[str], tuple[str, ...]]:
    """Ids of the examples with the same content in both, and what must be said of the rest."""
    ours, theirs = ({e.id: e for e in table.examples} for table in (before, after))
    common = frozenset(example for example, value in ours.items() if theirs.get(example) == value)
    notes: list[str] = []
    left_out = sorted((ours.keys() | theirs.keys()) - common)
    if left_out:
        shown = ", ".join(left_out[:5]) + (", …" if len(left_out) > 5 else "")
        notes.append(
            f"In one run only, or changed between them, and left out: {plural(len(left_out), 'example')}: {shown}."
        )
    if before.evalset != after.evalset:
        notes.append(f"The runs used different eval sets: {before.evalset} and {after.evalset}.")
    return common, tuple(notes)


def _changes(
    verdict: Verdict | None, before: RunTable, before_column: str, after: RunTable, after_column: str
) -> Iterable[ExampleChange]:
    moved = [delta for delta in verdict.deltas if delta.delta] if verdict else []
    for delta in sorted(moved, key=lambda delta: (delta.delta or 0.0, delta.example)):
        old, new = (_answer(before, before_column, delta.example), _answer(after, after_column, delta.example))
        yield ExampleChange(delta.example, delta.delta or 0.0, old.text, new.text, spans_of(old, new))


def _answer(table: RunTable, column: str, example: str) -> Outcome:
    return table.outcome(column, example) or Outcome(key="")


def spans_of(old: Outcome, new: Outcome) -> tuple[DiffSpan, ...]:
    """Words that changed between two answers; a sentence where one of them was not stored."""
    return word_diff(old.text, new.text) if old.stored and new.stored else whole(NOT_STORED)


def prompt_fields(before: Prompt, after: Prompt) -> tuple[FieldDiff, ...]:
    """Every field that differs, as a word diff, in the order of the file."""
    old, new = _fields(before), _fields(after)
    return tuple(
        FieldDiff(field, _spans(old.get(field, ""), new.get(field, "")))
        for field in dict.fromkeys([*old, *new])
        if old.get(field) != new.get(field)
    )


def _spans(before: str, after: str) -> tuple[DiffSpan, ...]:
    """A word diff; of two numbers the whole of both, for 0.0 and 0.25 have no word in common."""
    if _NUMBER.fullmatch(before) and _NUMBER.fullmatch(after):
        return DiffSpan("removed", before), DiffSpan("added", after)
    return word_diff(before, after)


def _fields(prompt: Prompt) -> dict[str, str]:
    """Field path to its text, for messages, parameters, output contract and judge."""
    found: dict[str, str] = {}
    for at, message in enumerate(prompt.messages):
        found[f"messages[{at}].role"] = message.role
        found[f"messages[{at}].content"] = message.content
    for table in ("params", "output", "judge") if not prompt.steps else ():  # a chain's are those of its steps
        value = getattr(prompt, table)
        if value is not None:
            for field in value.__struct_fields__:
                item = getattr(value, field)
                if item is not None and item != ():
                    found[f"{table}.{field}"] = item if isinstance(item, str) else msgspec.json.encode(item).decode()
    for step in prompt.steps:
        found |= _step_fields(step)
    return found


def _step_fields(step: Step) -> dict[str, str]:
    """The same of one step of a chain; of a prompt that it uses the fields that reach a model."""
    at = f"steps.{step.name}"
    found = {f"{at}.{key}": text for key, text in (("when", step.when), ("foreach", step.foreach)) if text}
    found |= {f"{at}.inputs.{name}": template for name, template in step.inputs.items()}
    for field in step.does.__struct_fields__:
        value: object = getattr(step.does, field)
        if isinstance(value, Prompt):
            found |= {f"{at}.{field}.{key}": text for key, text in _fields(value).items()}
        elif value is not None:
            found[f"{at}.{field}"] = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return found


def whole(text: str) -> tuple[DiffSpan, ...]:
    """A text without a counterpart, as spans."""
    return (DiffSpan("same", text),) if text else ()


def output_diffs(
    before: Subject, after: Subject, tables: Iterable[RunTable]
) -> tuple[tuple[OutputDiff, ...], tuple[tuple[str, Verdict], ...]]:
    """Examples whose newest stored outputs differ, and a verdict, for every model that answered both versions.

    Args:
        tables: Newest first.
    """
    if before.prompt.content == after.prompt.content:
        return (), ()
    old, new = _newest_columns(before, tables := list(tables)), _newest_columns(after, tables)
    outputs: list[OutputDiff] = []
    verdicts: list[tuple[str, Verdict]] = []
    for model in (model for model in old if model in new):
        (old_table, old_column), (new_table, new_column) = old[model], new[model]
        common, _ = _common(old_table, new_table)
        metric = new_table.primary
        same = metric in old_table.infos and _comparable((old_table, old_column), (new_table, new_column), metric)
        if same and common and old_table.infos[metric].direction != "info":
            verdict = verdict_of((old_table, old_column), (new_table, new_column), metric, common)
            verdicts += [(model, verdict)] if verdict is not None else []
        for example in (e.id for e in new_table.examples if e.id in common):
            answers = _answer(old_table, old_column, example), _answer(new_table, new_column, example)
            scores = old_table.scores(old_column, example), new_table.scores(new_column, example)
            # Of an answer that was not stored, only the scores can tell that it was another one.
            stored = all(answer.stored for answer in answers)
            if answers[0].text != answers[1].text if stored else scores[0] != scores[1]:
                before_scores, after_scores = (tuple(side.values()) for side in scores)
                outputs.append(OutputDiff(example, model, spans_of(*answers), before_scores, after_scores))
    return tuple(outputs), tuple(verdicts)


def _newest_columns(subject: Subject, tables: Iterable[RunTable]) -> dict[str, tuple[RunTable, str]]:
    """Model name to the newest table and column with exactly this content of the prompt."""
    found: dict[str, tuple[RunTable, str]] = {}
    for table in tables:
        for variant in table.variants:
            if (variant.prompt, variant.content) == (subject.prompt.name, subject.prompt.content):
                found.setdefault(variant.model, (table, variant.column))
    return found
