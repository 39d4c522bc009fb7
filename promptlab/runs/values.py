"""A run: its columns, its cells, what was planned and how far it is.

Values of which a run has thousands are left out of garbage collection (``gc=False``): being frozen they are never
part of a cycle, and walking over all of them would hold up the screen for tens of milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from promptlab.models.values import FaultKind, Outcome, Request
from promptlab.runs.asks import Asks
from promptlab.runs.traces import Trace
from promptlab.workspace.values import Decision, Example, MetricSpec, Params, Prompt

CellId = tuple[str, str, int]
"""Where a cell stands in a run: column, example, trial."""


class Variant(Struct, frozen=True):
    """One column of the grid: a version of a prompt on a model.

    Attributes:
        column: Letter that names it in this run: a, b, … z, aa …
        subject: As the person asked for it: ``triage``, ``triage@v3``.
        prompt: The prompt's name.
        version: ``v3``, or ``*`` for a working copy that is no committed version.
        content: Content hash of the prompt, 12 hex digits.
        model: The model's name in ``promptlab.toml``.
        identity: The model's identity; behind it those of the embedding models that a chain searches with.
        params: Sampling parameters after ``--set`` overrides.
        overrides: Those overrides as text, ``temperature=0.7``, or "".
    """

    column: str
    subject: str
    prompt: str
    version: str
    content: str
    model: str
    identity: str
    params: Params
    overrides: str = ""

    @property
    def label(self) -> str:
        """``triage@v3 · mini``, or ``triage* · mini · temperature=0.7``."""
        mark = "*" if self.version == "*" else f"@{self.version}"
        parts = (f"{self.prompt}{mark}", self.model, self.overrides)
        return " · ".join(part for part in parts if part)


class Cell(Struct, frozen=True, omit_defaults=True, gc=False):
    """One variant on one example, one trial.

    Attributes:
        asks: Of its column. None for a chain, which asks step by step, and where there is a problem.
        problem: Why the template could not be rendered, or "".
    """

    column: str
    example: str
    trial: int
    key: str
    asks: Asks | None = None
    problem: str = ""

    @property
    def request(self) -> Request | None:
        """What is asked, filled anew each time: all texts at once would be much. None without ``asks``."""
        return self.asks.request(self.key, self.example, self.trial) if self.asks is not None else None


class Sequential(Struct, frozen=True):
    """A run that asks its examples in an order by chance, looks at the verdict meanwhile, and stops when it is clear.

    Attributes:
        most: Examples that are asked at most.
        seed: Of the order.
    """

    most: int
    seed: int = 0


class Plan(Struct, frozen=True):
    """Everything that a run will do, decided before the first call.

    Attributes:
        subject: What the run is filed under: the prompt's name if all columns share one, else the eval set's.
        digest: Hash over all cell keys, metrics and decision: two equal plans do the same work.
        baseline: Column that the others are compared with.
        sources: Path relative to the workspace root to bytes of every input file, exactly as used.
        cells: What is to be done; none in the journal, where a plan is for looking at what was.
        prompts: ``name@content`` to the bytes of the prompt file of every column, old versions and judges included.
        judges: Name of each judge metric to the ``name@content`` of its judge.
        judge_models: Name of each metric that a model judges or embeds for to the identity of that model.
        currency: Of all costs of the run, "" when nothing has a price or prices differ in currency.
        sequential: How it stops before its last cell, None for a run that does all of them.
        chains: Column to the chain that it is, with overrides applied; not for columns of a prompt.
    """

    subject: str
    digest: str
    evalset: str
    evalset_content: str
    examples: Sequence[Example]
    variants: tuple[Variant, ...]
    baseline: str
    trials: int
    metrics: tuple[MetricSpec, ...]
    decision: Decision
    sources: dict[str, bytes]
    cells: Sequence[Cell] = ()
    prompts: dict[str, bytes] = {}
    judges: dict[str, str] = {}
    judge_models: dict[str, str] = {}
    currency: str = ""
    sequential: Sequential | None = None
    chains: dict[str, Prompt] = {}

    @property
    def size(self) -> int:
        """How many cells it has, also where they are not there."""
        return len(self.variants) * len(self.examples) * self.trials

    @property
    def most(self) -> int:
        """How many of its cells are asked at most: fewer where it stops as soon as it is clear."""
        examples = self.sequential.most if self.sequential else len(self.examples)
        return len(self.variants) * examples * self.trials


class JournalLine(Struct, frozen=True, omit_defaults=True, gc=False):
    """One line of ``outcomes.jsonl``: an outcome as it arrived.

    Attributes:
        step: The step of a chain that asked for it; "" for the outcome of a cell.
        trace: How a chain came to its outcome.
    """

    column: str
    example: str
    trial: int
    outcome: Outcome
    at: float = 0.0
    step: str = ""
    trace: Trace | None = None


class StoredRun(Struct, frozen=True):
    """A run in the journal, known without reading its cells.

    Attributes:
        id: ``20261121T195012Z-4f2a9c``: UTC time and six hex digits, of milliseconds and chance.
        time: When it was started, seconds since the epoch.
        state: ``partial`` is anything that stopped before its last cell, by Ctrl-C or by a crash.
        examples: How many examples it has.
        cells: How many cells it has.
        columns: The columns' labels, in order.
        tag: The tag it is committed under, or "".
    """

    id: str
    time: int
    state: Literal["running", "partial", "complete", "committed"]
    subject: str
    evalset: str
    examples: int
    trials: int
    cells: int
    columns: tuple[str, ...]
    digest: str
    tag: str = ""


class StepProgress(Struct, frozen=True):
    """A step of chains that waits for answers: ``done`` of ``total`` are there."""

    step: str
    done: int
    total: int


class Progress(Struct, frozen=True):
    """How far a run is, for a status line.

    Attributes:
        done: Cells that have an outcome, faults and cached ones included.
        rate: Cells per second that models answered lately, 0.0 while unknown.
        token_rate: Tokens of prompts and answers per second that a local model worked on lately, 0.0 while unknown.
        eta: Seconds left, or None while unknown.
        cost: Sum of known costs per currency, such as ``{"USD": 0.02}``.
        tokens: Of prompts and answers, as far as models said; those of cached answers do not count.
        faults: Failed cells by the kind of their fault.
        retried: Tries after the first that endpoints were asked for.
        in_flight: Requests under way at endpoints, and ``limit`` how many may be.
        steps: Of chains, those that wait for answers now.
    """

    total: int
    done: int = 0
    cached: int = 0
    failed: int = 0
    tokens: int = 0
    faults: dict[FaultKind, int] = {}
    retried: int = 0
    in_flight: int = 0
    limit: int = 0
    rate: float = 0.0
    token_rate: float = 0.0
    eta: float | None = None
    elapsed: float = 0.0
    cost: dict[str, float] = {}
    model: str = ""
    steps: tuple[StepProgress, ...] = ()


class Budget(Struct, frozen=True):
    """What a run may spend before it stops: what was under way then still comes to its end. None: no limit.

    Attributes:
        cost: In the currency of the models' prices.
        tokens: Of prompts and answers together.
        minutes: From the start of the run.
    """

    cost: float | None = None
    tokens: int | None = None
    minutes: float | None = None


UNLIMITED = Budget()


class Noticed(Struct, frozen=True):
    """Something that the person should know and that stops nothing, as a sentence."""

    message: str


class Started(Struct, frozen=True):
    """The run has an id and its journal is on disk. ``resumed`` counts outcomes taken over from before."""

    run: str
    plan: Plan
    resumed: int


class CellDone(Struct, frozen=True, gc=False):
    """A cell has its outcome, and it is in the journal."""

    column: str
    example: str
    trial: int
    outcome: Outcome
    trace: Trace | None = None


class CellText(Struct, frozen=True, gc=False):
    """What a model has written so far for a cell: for whoever looks, and not to be kept.

    Attributes:
        step: The step of a chain that it answers, "" for the answer of the cell.
    """

    column: str
    example: str
    trial: int
    text: str
    step: str = ""


class ModelLoading(Struct, frozen=True):
    """A model is being started."""

    model: str


class ModelDied(Struct, frozen=True):
    """The process of a model died. What it was at work on goes to a new one, once more; ``reason`` is a few words."""

    model: str
    reason: str


class Ended(Struct, frozen=True):
    """The last event of a run. ``reason`` says in a sentence why it is not complete, or ""."""

    run: str
    state: Literal["complete", "partial", "cancelled"]
    progress: Progress
    reason: str = ""


RunEvent = Started | ModelLoading | ModelDied | CellText | CellDone | Noticed | Progress | Ended
