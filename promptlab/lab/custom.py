"""Metrics of the workspace's own code: which there are, whether the person trusts them, and scoring with them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from promptlab.errors import PromptlabError, UsageFault
from promptlab.lab.values import CellScored
from promptlab.models import trust
from promptlab.scoring.custom import PYTHON, CustomMetric, code_of
from promptlab.scoring.values import Score
from promptlab.workspace.folder import Workspace
from promptlab.workspace.values import MetricSpec

if TYPE_CHECKING:
    from promptlab.lab.table import RunTable


class Code(Struct, frozen=True):
    """A file of Python that an eval set would run: its path relative to the workspace root, and its bytes."""

    file: str
    data: bytes

    @property
    def content(self) -> str:
        """12 hex digits of its hash: what is trusted, and a part of its scores' identity."""
        return hashlib.sha256(self.data).hexdigest()[:12]


def code_in(workspace: Workspace, metrics: Iterable[MetricSpec]) -> dict[str, Code]:
    """File to code of the metrics that have some.

    Raises:
        NotFound, StorageFault: A file is not there, or lies outside of the workspace.
    """
    files = dict.fromkeys(code_of(spec)[0] for spec in metrics if spec.id == PYTHON)
    return {file: Code(file, workspace.read(file)) for file in files}


def with_content(metrics: Iterable[MetricSpec], code: Mapping[str, Code]) -> tuple[MetricSpec, ...]:
    """The entries with the content of their code, so that scores of changed code are other scores."""
    return tuple(
        MetricSpec(spec.id, spec.name, {**spec.options, "content": code[code_of(spec)[0]].content})
        if spec.id == PYTHON
        else spec
        for spec in metrics
    )


def require_trust(workspace: Workspace, code: Iterable[Code]) -> None:
    """Stop before anything runs that the person has not seen.

    Raises:
        UsageFault: There is code that is not trusted, or not any more since it changed.
    """
    for one in code:
        if not trust.is_code_trusted(workspace.root, one.file, one.data):
            raise UsageFault(
                f"{one.file} is Python that this workspace runs to score answers, and you have not trusted it as it "
                "is now. Read it, then run `promptlab trust`."
            )


def untrusted_code(workspace: Workspace) -> list[Code]:
    """Code of all eval sets that is not trusted as it is now; what does not load is left out."""
    found: dict[str, Code] = {}
    for name in workspace.evalset_names():
        try:
            metrics = workspace.load_evalset(name).metrics
            found.update(code_in(workspace, metrics))
        except (PromptlabError, AssertionError, KeyError):
            continue  # `promptlab check` says what is wrong
    return [one for one in found.values() if not trust.is_code_trusted(workspace.root, one.file, one.data)]


def custom_metrics(
    workspace: Workspace, metrics: Iterable[MetricSpec], data: Mapping[str, bytes]
) -> list[CustomMetric]:
    """The metrics that have code, ready to score.

    Args:
        metrics: Of the run; those of other kinds are left out.
        data: File to bytes, as the run was planned with.

    Raises:
        UsageFault: Code that is not trusted.
    """
    specs = [spec for spec in metrics if spec.id == PYTHON]
    code = {file: Code(file, data[file]) for file in dict.fromkeys(code_of(spec)[0] for spec in specs)}
    require_trust(workspace, code.values())
    return [CustomMetric(spec, code[code_of(spec)[0]].data, workspace.root) for spec in specs]


async def score_table(table: RunTable, metric: CustomMetric, stop: asyncio.Event) -> AsyncGenerator[CellScored, None]:
    """Score every answer that has no such score yet."""
    try:
        for column, example, trial in _places(table):
            outcome = table.outcome(column, example, trial)
            if stop.is_set():
                return
            if outcome is None or metric.spec.name in table.trial_scores(column, example, trial):
                continue
            if outcome.fault is not None:
                score = Score(metric.spec.name, missing=f"error: {outcome.fault.message}")
            else:
                score = await metric.score(table.example(example), outcome.text)
            event = CellScored(column, example, trial, outcome, (score,))
            table.add(event)
            yield event
    finally:
        await metric.close()


def _places(table: RunTable) -> list[tuple[str, str, int]]:
    return [
        (variant.column, example.id, trial)
        for variant in table.variants
        for example in table.examples
        for trial in range(table.trials)
    ]
