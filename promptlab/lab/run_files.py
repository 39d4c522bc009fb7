"""A run as a file for other programs: one row for every answer."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from promptlab.errors import UsageFault
from promptlab.workspace import edit

if TYPE_CHECKING:
    from promptlab.lab.table import RunTable

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
SUFFIXES = (".csv", ".jsonl")


def write_run(table: RunTable, path: Path, *, replace: bool = False, instead: str = "") -> int:
    """Write every answer of a run to a file, a new one unless told to replace it, and give the number of rows.

    ``.jsonl`` has everything as it is. ``.csv`` is for a spreadsheet: a text that it would take for a formula gets a
    ``'`` before it, since what a model wrote may be anything.

    Args:
        instead: What else can be done about a file that is there, for the sentence that says so.

    Raises:
        UsageFault: The name ends otherwise, or there is such a file already.
        StorageFault: It cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise UsageFault(f"{path.name}: a run is written as .csv or .jsonl, so give the file a name that ends so.")
    if path.exists() and not replace:
        raise UsageFault(f"{path} is there already: name another file{instead}.")
    rows = list(run_rows(table))
    data = (
        b"".join(msgspec.json.encode(row) + b"\n" for row in rows) if path.suffix == ".jsonl" else _csv(table, rows)
    )
    edit.write_if_unchanged(path, data, edit.stamp(path.read_bytes()) if path.exists() else None)
    return len(rows)


def run_rows(table: RunTable) -> Iterator[dict[str, object]]:
    """One row for every answer or error: the example, the column, what came back, its scores by metric.

    A metric without a value is None, and ``missing`` says why.
    """
    for example in table.examples:
        for variant in table.variants:
            for trial in range(table.trials):
                outcome = table.outcome(variant.column, example.id, trial)
                if outcome is None:
                    continue
                scores = table.trial_scores(variant.column, example.id, trial)
                yield {
                    "run": table.run,
                    "example": example.id,
                    "tags": list(example.tags),
                    "vars": example.vars,
                    "expected": example.expected,
                    "column": variant.column,
                    "prompt": variant.prompt,
                    "version": variant.version,
                    "content": variant.content,
                    "model": variant.model,
                    "trial": trial,
                    "text": outcome.text if outcome.stored else None,
                    "error": outcome.fault.message if outcome.fault else None,
                    "seconds": outcome.latency,
                    "tokens_in": outcome.usage.prompt,
                    "tokens_out": outcome.usage.completion,
                    "cost": outcome.cost,
                    "scores": {name: scores[name].value if name in scores else None for name in table.infos},
                    "missing": {name: score.missing for name, score in scores.items() if score.missing},
                }


def _csv(table: RunTable, rows: list[dict[str, object]]) -> bytes:
    """The same flat: a column for every metric, and lists and objects as JSON."""
    out = io.StringIO(newline="")
    names = [name for name in rows[0] if name != "scores"] if rows else ["run", "example"]
    writer = csv.writer(out)
    writer.writerow([*names, *(f"score {metric}" for metric in table.infos)])
    for row in rows:
        scores = table.trial_scores(str(row["column"]), str(row["example"]), int(str(row["trial"])))
        values = [score.value if (score := scores.get(metric)) else None for metric in table.infos]
        writer.writerow([*(_flat(row[name]) for name in names), *values])
    return out.getvalue().encode("utf-8", "replace")


def _flat(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if value is None or isinstance(value, int | float):
        return value
    return msgspec.json.encode(value).decode() if value else ""
