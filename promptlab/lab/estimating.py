"""What a run will cost, before it is begun: from a few answers that it needs anyway.

No tokenizer of an endpoint is known here, and answers are as long as they are. So some examples are done first,
spread over the lengths of their prompts: asked, and judged where judges have a price. What that says of tokens is
carried over to the others, and what was asked is not asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, structs

from promptlab.lab.running import Judging, answers, judge_table
from promptlab.lab.table import RunTable
from promptlab.lab.tracing import grades_for
from promptlab.lab.values import CellScored
from promptlab.models.cache import Cache
from promptlab.models.pricing import cost_of
from promptlab.models.samples import at_once, together
from promptlab.models.values import Paced, Usage
from promptlab.runs.journal import Journal
from promptlab.runs.means import Means
from promptlab.runs.traces import total_usage
from promptlab.runs.values import Cell, Plan, Variant
from promptlab.scoring.catalogue import jurors
from promptlab.scoring.values import Reply
from promptlab.workspace.corpora import Corpora
from promptlab.workspace.settings_values import Price

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab

SAMPLE = 32
"""Answers of a column from which the others are estimated."""

_T = TypeVar("_T")


class Estimate(Struct, frozen=True):
    """What is left to pay of a plan.

    Attributes:
        cells: Cells that endpoints have to be asked for.
        prompt_tokens: Of these cells, about.
        completion_tokens: Of these cells, about.
        cost: In ``currency``, about; that of judges included.
        currency: Of the first model with a price.
        sampled: Answers that it is drawn from, earlier ones of the same columns included.
        failed: Why nothing can be said of a column, as a sentence, or "".
        judged: Answers that judges with a price have to be asked about, each by each of them.
        judge_tokens: Of their questions and replies, about.
        judge_cost: In ``currency``, about.
    """

    cells: int
    prompt_tokens: int
    completion_tokens: int
    cost: float
    currency: str
    sampled: int
    failed: str = ""
    judged: int = 0
    judge_tokens: int = 0
    judge_cost: float = 0.0

    @property
    def sentence(self) -> str:
        """Such as ``About 1.24 USD for 9,980 cells: 2,120,400 tokens in, 99,800 out (from 20 answers).``"""
        if self.failed and not self.sampled:
            return f"What this will cost is not known: {self.failed}"
        said = (
            f"About {self.cost:.4g} {self.currency} for {self.cells:,} cells: "
            f"{self.prompt_tokens:,} tokens in, {self.completion_tokens:,} out (from {self.sampled} answers)."
        )
        if not self.judged:
            return said
        return (
            f"{said} {self.judge_cost:.4g} {self.currency} of it for judges: {self.judged:,} answers to judge, "
            f"{self.judge_tokens:,} tokens."
        )


class _Column(Struct):
    """The cells of one column, and the size in characters and the tokens of those that are known.

    Attributes:
        answers: Different ones that it will have.
        cached: Keys that were known before anything was asked for the estimate.
    """

    variant: Variant
    price: Price | None
    samples: int
    chain: bool
    answers: int
    left: dict[str, Cell]
    cached: set[str]
    known: list[tuple[float, Usage]]


async def estimate(lab: Lab, plan: Plan, cache: Cache, above: float | None = None) -> Estimate | None:
    """Estimate what is left to pay of a plan.

    Args:
        lab: Whose models are used.
        plan: With its requests.
        cache: Of the run to come: what it knows costs nothing. Up to ``SAMPLE`` examples are done, and put into it.
        above: Give None, and ask nothing, when the plan cannot cost that much: not even with answers as long as
            allowed. None: estimate in any case.

    Raises:
        ModelFault: A model cannot be used at all.
    """
    table = lab.table(plan)
    judges = [one for one in _judges(lab, plan, table) if _prices(lab, one)]
    if above is not None and not judges and not any(_price(lab, variant) for variant in plan.variants):
        return None
    columns = [_column(lab, plan, variant, cache) for variant in plan.variants]
    paid = [column for column in columns if column.price is not None]
    most = sum(map(_most, paid)) + sum(_judge_most(lab, plan, one) for one in judges)
    if above is not None and most <= above:
        return None
    failed = await _try(lab, plan, cache, table, _sample(plan, columns if judges else paid, bool(judges)), columns)
    if judges:
        async for _ in judge_table(table, judges, cache, asyncio.Event()):
            pass
    shares = [_share(table, one, columns) for one in judges]
    return _summed(paid, shares, failed, _currency(lab, paid, judges))


def _column(lab: Lab, plan: Plan, variant: Variant, cache: Cache) -> _Column:
    entry = lab.settings.models[variant.model]
    chain = variant.column in plan.chains
    mine = {cell.key: cell for cell in plan.cells if cell.column == variant.column and not cell.problem}
    cached = {} if chain else cache.get_many(mine)
    # Samples that came in one request share the tokens of its prompt: they do not say how many it has.
    told = [key for key, one in cached.items() if one.usage.prompt and at_once(entry) == 1]
    return _Column(
        variant=variant,
        price=_price(lab, variant),
        samples=at_once(entry),
        chain=chain,
        answers=len(mine),
        left={key: cell for key, cell in mine.items() if key not in cached},
        cached=set(cached),
        known=[(_size(mine[key]), cached[key].usage) for key in told],
    )


def _price(lab: Lab, variant: Variant) -> Price | None:
    entry = lab.settings.models[variant.model]
    return entry.price if entry.gguf is None else None


def _judges(lab: Lab, plan: Plan, table: RunTable) -> list[Judging]:
    return [
        Judging(spec, table.judges[spec.name], [lab.model(name) for name in jurors(spec)])
        for spec in plan.metrics
        if spec.name in table.judges
    ]


def _prices(lab: Lab, judging: Judging) -> list[Price]:
    entries = [lab.settings.models[name] for name in jurors(judging.spec)]
    return [entry.price for entry in entries if entry.price is not None and entry.gguf is None]


def _currency(lab: Lab, paid: Sequence[_Column], judges: Sequence[Judging]) -> str:
    prices = [column.price for column in paid] + [price for one in judges for price in _prices(lab, one)]
    return next((price.currency for price in prices if price is not None), "")


def _most(column: _Column) -> float:
    """More than the column can cost: no tokenizer makes two tokens of one character of ordinary text."""
    if column.chain:
        return float("inf") if column.left else 0.0
    requests = [cell.request for cell in column.left.values() if cell.request is not None]
    prompt = sum(len(one.content) + 8 for request in requests for one in request.messages)
    completion = sum(request.params.max_tokens for request in requests)
    return cost_of(column.price, Usage(prompt, completion)) or 0.0


def _judge_most(lab: Lab, plan: Plan, judging: Judging) -> float:
    """More than a judge can cost that gives grades: both answers and all of the example in every question."""
    table = judging.prompt.judge
    if table is None or table.kind == "claims":
        return float("inf")
    answer = max(variant.params.max_tokens for variant in plan.variants)
    words = sum(len(str(message.content)) for message in judging.prompt.messages)
    examples = sum(len(str(structs.asdict(example))) for example in plan.examples)
    asked = len(plan.variants) * plan.trials * 6  # two orders, three tries
    prompt = asked * (examples + len(plan.examples) * (words + 3 * answer))
    completion = asked * len(plan.examples) * judging.prompt.params.max_tokens
    return sum(cost_of(price, Usage(prompt, completion)) or 0.0 for price in _prices(lab, judging))


def _sample(plan: Plan, columns: Sequence[_Column], judged: bool) -> list[Cell]:
    """The first trials of some examples, the same ones of every column: enough of those that are not known."""
    firsts: dict[str, list[Cell]] = {}
    wanted = {column.variant.column for column in columns}
    left = {(cell.column, cell.example) for column in columns for cell in column.left.values() if cell.trial == 0}
    for cell in plan.cells:
        if cell.trial == 0 and cell.column in wanted and not cell.problem:
            firsts.setdefault(cell.example, []).append(cell)
    ordered = sorted(firsts, key=lambda example: _size(firsts[example][0]))
    new = [example for example in ordered if any((cell.column, example) in left for cell in firsts[example])]
    missing = max((SAMPLE - len(column.known) for column in columns if column.left), default=0)
    chosen = _spread(new, missing)
    if judged:  # of what is known, too: its judgements may be known as well
        chosen += _spread([example for example in ordered if example not in set(new)], SAMPLE - len(chosen))
    part = [cell for example in chosen for cell in firsts[example] if judged or (cell.column, example) in left]
    return part + _others(plan, columns, chosen[:1])


def _others(plan: Plan, columns: Sequence[_Column], examples: Sequence[str]) -> list[Cell]:
    """The other trials of some examples, where all of them may come in one request: that shows whether they do."""
    wanted = {column.variant.column for column in columns if column.samples > 1 and column.price is not None}
    return [cell for cell in plan.cells if cell.trial and cell.column in wanted and cell.example in examples]


def _spread(ordered: Sequence[_T], count: int) -> list[_T]:
    """So many of them at even distances, or all."""
    count = min(count, len(ordered))
    return [ordered[(2 * at + 1) * len(ordered) // (2 * count)] for at in range(count)] if count > 0 else []


async def _try(
    lab: Lab, plan: Plan, cache: Cache, table: RunTable, part: Sequence[Cell], columns: Sequence[_Column]
) -> str:
    """Do some cells, and note what they take; the sentence of a fault, or ""."""
    if not part:
        return ""
    by_letter = {column.variant.column: column for column in columns}
    few, failed = structs.replace(plan, cells=tuple(part)), ""
    with TemporaryDirectory(prefix="promptlab-") as nowhere:
        means = Means(
            models={column.variant.model: lab.model(column.variant.model) for column in columns},
            cache=cache,
            journal=Journal.create(Path(nowhere), few),
            stop=asyncio.Event(),
            grades=grades_for(Corpora(lab.workspace), lab.model, cache) if plan.chains else None,
        )
        keys = {(cell.column, cell.example, cell.trial): cell for cell in part}
        several = {(cell.column, cell.example) for cell in part if cell.trial}
        async with aclosing(answers(few, table, means)) as events:
            async for event in events:
                if isinstance(event, CellScored):
                    cell, column = keys[event.column, event.example, event.trial], by_letter[event.column]
                    alone = (cell.column, cell.example) not in several
                    failed = _noted(column, cell, event, alone) or failed
        for column in columns:
            model = means.models[column.variant.model]
            column.samples = model.traffic.samples if isinstance(model, Paced) else 1
    return failed


def _noted(column: _Column, cell: Cell, event: CellScored, alone: bool) -> str:
    """Take in what a cell took; its fault as a sentence, or "".

    Samples that came together, not ``alone``, do not say how many tokens their prompt has.
    """
    fault = event.outcome.fault
    if column.left.pop(cell.key, None) is None:
        return ""
    if fault is not None and fault.kind != "step":  # a chain that came to no answer was asked all the same
        column.left[cell.key] = cell
        return fault.message
    usage = event.outcome.usage
    if event.trace is not None:
        usage = total_usage(tuple(call for call in event.trace.calls if not call.outcome.cached))
    if alone:
        column.known.append((_size(cell), usage))
    return ""


def _rest(column: _Column) -> Usage:
    """The tokens of the cells that are left: prompts by a line through sizes and tokens, answers by the mean."""
    if not column.known or not column.left:
        return Usage()
    base, slope = _line([size for size, _ in column.known], [float(usage.prompt) for _, usage in column.known])
    prompt = sum(base + slope * _size(cell) for cell in column.left.values())
    completion = len(column.left) * sum(usage.completion for _, usage in column.known) / len(column.known)
    requests = [cell.request for cell in column.left.values() if cell.request is not None]
    groups = sum(1 for _ in together(requests, column.samples)) if requests else len(column.left)
    return Usage(round(prompt * groups / len(column.left)), round(completion))


def _size(cell: Cell) -> int:
    """Characters of what is sent; 0 for a chain, whose cells are taken to be alike."""
    return sum(len(message.content) for message in cell.request.messages) if cell.request is not None else 0


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Base and slope of the least squares line; through nothing but the mean where all sizes are equal."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((one - mean_x) ** 2 for one in x)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread if spread else 0.0
    return mean_y - slope * mean_x, slope


class _Share(Struct, frozen=True):
    """What a judge still has to be asked, about."""

    answers: float
    tokens: float
    cost: float


def _share(table: RunTable, judging: Judging, columns: Sequence[_Column]) -> _Share:
    """A judge's tokens and cost for all answers, from those that it was asked about.

    Judgements of answers that were known before may be known as well: as often as among those that were tried.
    """
    metric = judging.spec.name
    pairs = table.infos[metric].kind == "preference"
    replies: list[Sequence[Reply]] = []
    old: list[bool] = []
    total = known = 0
    for column in columns:
        letter = column.variant.column
        if pairs and letter == table.baseline_of(letter):
            continue
        total += column.answers
        known += len(column.cached)
        for example in table.examples:
            outcome = table.outcome(letter, example.id, 0)
            score = table.trial_scores(letter, example.id, 0).get(metric)
            if outcome is not None and score is not None and score.replies:
                replies.append(score.replies)
                old += [all(reply.cached == reply.calls for reply in score.replies)] * (outcome.key in column.cached)
    return _carried(replies, total, known, sum(old) / len(old) if old else 0.0)


def _carried(tried: Sequence[Sequence[Reply]], total: int, known: int, free: float) -> _Share:
    """``known`` of all answers were there before, and ``free`` is the share of those that are judged already."""
    if not tried:
        return _Share(0.0, 0.0, 0.0)
    left = max(0.0, total - len(tried) - known * free)
    each = left / len(tried)
    replies = [reply for one in tried for reply in one]
    return _Share(
        left,
        each * sum(reply.tokens_in + reply.tokens_out for reply in replies),
        each * sum(reply.cost or 0.0 for reply in replies),
    )


def _summed(paid: Sequence[_Column], judges: Sequence[_Share], failed: str, currency: str) -> Estimate:
    rests = [_rest(column) for column in paid]
    costs = [cost_of(column.price, rest) or 0.0 for column, rest in zip(paid, rests, strict=True)]
    judge_cost = sum(one.cost for one in judges)
    return Estimate(
        cells=sum(len(column.left) for column in paid),
        prompt_tokens=sum(rest.prompt for rest in rests),
        completion_tokens=sum(rest.completion for rest in rests),
        cost=sum(costs) + judge_cost,
        currency=currency,
        sampled=sum(len(column.known) for column in paid),
        failed=failed,
        judged=round(sum(one.answers for one in judges)),
        judge_tokens=round(sum(one.tokens for one in judges)),
        judge_cost=judge_cost,
    )
