"""What the lab gives to the command line and the screens, beside the values of the rooms below."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from promptlab.compare.values import DiffSpan, Interval, Verdict
from promptlab.errors import Problem
from promptlab.history.values import ColumnLine, Mark, RunRecord, ScoreLine, Version
from promptlab.models.values import Outcome
from promptlab.runs.traces import Trace
from promptlab.runs.values import (
    CellText,
    Ended,
    ModelDied,
    ModelLoading,
    Noticed,
    Progress,
    Started,
    Variant,
)
from promptlab.scoring.values import Score
from promptlab.workspace.values import Example, Prompt


class PromptRow(Struct, frozen=True):
    """One line of the prompt tree, known without git. ``problems`` say why the file does not load."""

    name: str
    kind: Literal["prompt", "judge", "chain"]
    description: str = ""
    content: str = ""
    problems: tuple[Problem, ...] = ()


class PromptPast(Struct, frozen=True):
    """What git adds to a prompt row: its versions (oldest first) and the mean score of each, where a run has one.

    Attributes:
        current: Label of the working copy: ``v3`` when it equals a version, ``*`` when it is edited, "" when gone.
        working: Content hash of the working copy, "" when it does not load.
        trend: One value per version, oldest first: mean of the primary metric on the trend's model, or None.
        metric: The metric of the trend, "" when no run exists.
        basis: What all means of the trend share, in words: metric, eval set, number of cases, model.
        means: The trend by content hash, with texts that were run and never committed.
        by_uses: The file of a chain is committed as it is: the working copy is no version because of something
            that the chain uses.
    """

    name: str
    versions: tuple[Version, ...]
    current: str
    trend: tuple[float | None, ...]
    metric: str
    basis: str = ""
    means: dict[str, float] = {}
    working: str = ""
    by_uses: bool = False

    @property
    def edited(self) -> str:
        """Why the working copy is no version, "" where it is one: ``edited, not committed``."""
        if self.current != "*":
            return ""
        what = "what it uses is edited, " if self.by_uses else "edited, " if self.versions else ""
        return f"{what}not committed"


class FileText(Struct, frozen=True):
    """A file's text as it was read; ``stamp`` tells whether somebody changed it since."""

    path: str
    text: str
    stamp: str


class Conflict(Struct, frozen=True):
    """The file changed on disk since it was read: nothing was written; ``theirs`` is what is there now."""

    mine: str
    theirs: FileText


class Subject(Struct, frozen=True):
    """A prompt at one point in time, resolved.

    Attributes:
        asked: As the person wrote it.
        version: ``v3``, or ``*`` for a working copy that is no committed version.
        data: The file's bytes at that point.
        source: Path relative to the workspace root.
        whole: A chain's text with all that it uses written out, as a run keeps it; of a prompt the same as ``data``.
    """

    asked: str
    prompt: Prompt
    version: str
    data: bytes
    source: str
    whole: bytes = b""


class RunRequest(Struct, frozen=True):
    """What ``promptlab run`` was asked for. Empty means: the default of the workspace.

    Attributes:
        again: Run the subject a second time with other seeds, an A/A run: what differs is chance.
        until_clear: Ask the examples in an order by chance and stop as soon as the verdict is clear.
        max_examples: Then ask no more than this many, or None for all.
        inputs: Examples that no file has, in place of those of the eval set: for a trial, of which nothing is kept.
    """

    subjects: tuple[str, ...]
    models: tuple[str, ...] = ()
    evalset: str = ""
    trials: int | None = None
    baseline: str = ""
    overrides: tuple[tuple[str, str], ...] = ()
    sample: int | None = None
    only: tuple[str, ...] = ()
    again: bool = False
    until_clear: bool = False
    max_examples: int | None = None
    inputs: tuple[Example, ...] = ()


class CellScored(Struct, frozen=True):
    """A cell has its outcome and its scores; the scores of judges follow in a second event for the same cell."""

    column: str
    example: str
    trial: int
    outcome: Outcome
    scores: tuple[Score, ...]
    trace: Trace | None = None


LabEvent = Started | ModelLoading | ModelDied | CellText | CellScored | Noticed | Progress | Ended


class ColumnSummary(Struct, frozen=True):
    """The head of one column.

    Attributes:
        means: Metric name to mean with interval; metrics without any value are left out.
        latency_p50, latency_p95: Seconds over the outcomes that a model gave; None without any.
        cost: Sum over the answers, in the currency of the model's price; None when the model has none.
    """

    variant: Variant
    means: dict[str, Interval]
    done: int
    failed: int
    cached: int
    latency_p50: float | None
    latency_p95: float | None
    tokens_in: int
    tokens_out: int
    tokens_per_second: float | None
    cost: float | None


class RunSummary(Struct, frozen=True):
    """One line of the list of runs.

    Attributes:
        state: ``lost`` has its tag in git, and no commit: it cannot be opened. Only ``listing`` looks for that.
        record: None for a run that is not saved in git (journal only).
    """

    id: str
    subject: str
    time: int
    state: Literal["saved", "unsaved", "partial", "running", "lost"]
    title: str
    record: RunRecord | None = None


class PromptRun(Struct, frozen=True):
    """A run as one prompt sees it: the columns that ran a text of it, and what they scored.

    Attributes:
        scores: Means of those columns; empty for a run of an earlier sitting that is not saved.
    """

    run: RunSummary
    columns: tuple[ColumnLine, ...]
    scores: tuple[ScoreLine, ...]


class FieldDiff(Struct, frozen=True):
    """One field of a prompt that differs: ``messages[0].content``, ``params.temperature``."""

    field: str
    spans: tuple[DiffSpan, ...]


class OutputDiff(Struct, frozen=True):
    """One example whose stored outputs differ between two subjects on one model."""

    example: str
    model: str
    spans: tuple[DiffSpan, ...]
    before: tuple[Score, ...]
    after: tuple[Score, ...]


class SubjectDiff(Struct, frozen=True):
    """Words that changed between two subjects, and what changed in stored outputs where both have them."""

    before: Subject
    after: Subject
    fields: tuple[FieldDiff, ...]
    outputs: tuple[OutputDiff, ...]
    verdicts: tuple[tuple[str, Verdict], ...] = ()


class ExampleChange(Struct, frozen=True):
    """One example that changed between two columns; ``delta`` is positive when it got better."""

    example: str
    delta: float
    before: str
    after: str
    spans: tuple[DiffSpan, ...]


class Comparison(Struct, frozen=True):
    """Two columns of stored runs side by side.

    Attributes:
        verdicts: The primary metric first, then the others that can decide, the latter without a claim of their own.
        notes: What makes the two less comparable: another eval set content, other model, rows left out.
        changed: Examples whose primary score changed, largest loss first.
    """

    before: str
    after: str
    means: tuple[tuple[str, Interval | None, Interval | None], ...]
    verdicts: tuple[Verdict, ...]
    changed: tuple[ExampleChange, ...]
    notes: tuple[str, ...] = ()


class Stage(Struct, frozen=True):
    """A version on a stage.

    Attributes:
        version: Its number as ``v3``, or ``*`` for a text that is no committed version of this branch.
        newest: The newest version of the prompt.
        scores: What the run that justifies it measured.
    """

    mark: Mark
    version: str
    newest: str
    scores: tuple[ScoreLine, ...] = ()


class BlameLine(Struct, frozen=True):
    """One line of a prompt's file and the version that brought it.

    Attributes:
        version: ``v3``; ``*`` for a line of an edited working copy; ``–`` for a later comment: that makes no version.
        change: What the mean of the trend's metric did with that version; None where it was not measured before and
            after it.
    """

    number: int
    text: str
    version: str
    commit: str
    author: str
    time: int
    subject: str
    change: float | None


class Blame(Struct, frozen=True):
    """A prompt's file by line; ``metric`` is what the changes are of, "" without any run."""

    subject: str
    metric: str
    lines: tuple[BlameLine, ...]


class BisectRequest(Struct, frozen=True):
    """What ``promptlab bisect`` was asked for. Empty means: the default of the workspace, the oldest, the newest."""

    subject: str
    metric: str = ""
    examples: tuple[str, ...] = ()
    good: str = ""
    bad: str = ""
    model: str = ""
    evalset: str = ""


class BisectStep(Struct, frozen=True):
    """One version that was looked at.

    Attributes:
        side: Where it belongs; "unclear" when the nearer side was taken, "skipped" when it could not be run.
        examples: How many examples decided it.
        asked: Cells that a model was asked for; the others had stored outcomes.
        left: Versions that can still be the first bad one.
    """

    version: str
    side: Literal["good", "bad", "unclear good", "unclear bad", "skipped"]
    examples: int
    asked: int
    left: int
    reason: str = ""


class Bisection(Struct, frozen=True):
    """What a bisect found.

    Attributes:
        first_bad: The first version on the bad side.
        last_good: The last version on the good side.
        between: Versions between the two that could not be run: each of them may be the first bad one as well.
        looked_at: How many versions were looked at, the two ends too where they were.
        cells: Cells that were looked at; ``asked`` of them went to a model.
        full: Cells that full runs of the versions that were looked at would take.
        flips: The examples that got worse between the two, with their outputs.
    """

    metric: str
    model: str
    first_bad: Version
    last_good: Version
    between: tuple[str, ...]
    steps: tuple[BisectStep, ...]
    looked_at: int
    cells: int
    asked: int
    full: int
    fields: tuple[FieldDiff, ...]
    flips: tuple[ExampleChange, ...]
