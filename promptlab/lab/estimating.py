"""What a run will cost, before it is begun: from a few answers that it needs anyway.

No tokenizer of an endpoint is known here, and answers are as long as they are. So some cells are asked first, spread
over the lengths of the prompts; what they say of tokens is carried over to the others, and they are not asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from promptlab.models.pricing import cost_of
from promptlab.models.values import Outcome, Request, Usage
from promptlab.runs.values import Plan
from promptlab.workspace.values import Price

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab

SAMPLE = 32
"""Answers of a column from which the others are estimated."""


class Estimate(Struct, frozen=True):
    """What is left to pay of a plan.

    Attributes:
        cells: Cells that endpoints have to be asked for.
        prompt_tokens: Of these cells, about.
        completion_tokens: Of these cells, about.
        cost: In ``currency``, about.
        currency: Of the first model with a price.
        sampled: Answers that it is drawn from, earlier ones of the same columns included.
        failed: Why nothing can be said of a column, as a sentence, or "".
    """

    cells: int
    prompt_tokens: int
    completion_tokens: int
    cost: float
    currency: str
    sampled: int
    failed: str = ""

    @property
    def sentence(self) -> str:
        """Such as ``About 1.24 USD for 9,980 cells: 2,120,400 tokens in, 99,800 out (from 20 answers).``"""
        if self.failed and not self.sampled:
            return f"What this will cost is not known: {self.failed}"
        return (
            f"About {self.cost:.4g} {self.currency} for {self.cells:,} cells: "
            f"{self.prompt_tokens:,} tokens in, {self.completion_tokens:,} out (from {self.sampled} answers)."
        )


class _Column(Struct):
    """The cells of one column that has a price: the size of each prompt in characters, and what is known already."""

    model: str
    price: Price
    left: list[Request]
    known: list[tuple[Request, Usage]]


async def estimate(lab: Lab, plan: Plan, above: float | None = None) -> Estimate | None:
    """Estimate what is left to pay of a plan.

    Args:
        lab: Whose models and cache are used: up to ``SAMPLE`` cells of each column are asked, and cached.
        plan: With its requests.
        above: Give None, and ask nothing, when the plan cannot cost that much: not even with answers as long as
            allowed. None: estimate in any case.

    Raises:
        ModelFault: A model cannot be used at all.
    """
    columns = _columns(lab, plan)
    if above is not None and sum(map(_most, columns)) <= above:
        return None
    failed = ""
    for column in columns:
        failed = await _sample(lab, column) or failed
    total = Usage()
    cost = 0.0
    for column in columns:
        usage = _rest(column)
        total = Usage(total.prompt + usage.prompt, total.completion + usage.completion)
        cost += cost_of(column.price, usage) or 0.0
    return Estimate(
        cells=sum(len(column.left) for column in columns),
        prompt_tokens=total.prompt,
        completion_tokens=total.completion,
        cost=cost,
        currency=columns[0].price.currency if columns else "",
        sampled=sum(len(column.known) for column in columns),
        failed=failed,
    )


def _columns(lab: Lab, plan: Plan) -> list[_Column]:
    prices = {entry.name: entry.price for entry in lab.settings.models.values()}
    requests: dict[str, dict[str, Request]] = {}
    for cell in plan.cells:
        if cell.request is not None:
            requests.setdefault(cell.column, {}).setdefault(cell.key, cell.request)
    found: list[_Column] = []
    for variant in plan.variants:
        price = prices.get(variant.model)
        if price is None or variant.column not in requests:
            continue
        mine = requests[variant.column]
        cached = lab.cache().get_many(mine)
        known = [(mine[key], outcome.usage) for key, outcome in cached.items() if outcome.usage.prompt]
        found.append(_Column(variant.model, price, [one for key, one in mine.items() if key not in cached], known))
    return found


def _most(column: _Column) -> float:
    """More than the column can cost: no tokenizer makes two tokens of one character of ordinary text."""
    prompt = sum(_size(request) + 8 * len(request.messages) for request in column.left)
    completion = sum(request.params.max_tokens for request in column.left)
    return cost_of(column.price, Usage(prompt, completion)) or 0.0


async def _sample(lab: Lab, column: _Column) -> str:
    """Ask for as many answers as are missing for an estimate; the sentence of a fault, or ""."""
    missing = min(SAMPLE - len(column.known), len(column.left))
    if missing <= 0:
        return ""
    ordered = sorted(column.left, key=_size)
    chosen = {at.key: at for at in (ordered[(2 * i + 1) * len(ordered) // (2 * missing)] for i in range(missing))}
    answers: list[Outcome] = []
    try:
        async for outcome in lab.model(column.model).generate(list(chosen.values())):
            answers.append(outcome)
    finally:
        lab.cache().put_many(answers)  # whoever leaves now has paid for what is here
    column.known += [(chosen[one.key], one.usage) for one in answers if one.fault is None]
    done = {one.key for one in answers if one.fault is None}
    column.left = [request for request in column.left if request.key not in done]
    return next((one.fault.message for one in answers if one.fault is not None), "")


def _rest(column: _Column) -> Usage:
    """The tokens of the cells that are left: prompts by a line through sizes and tokens, answers by the mean."""
    if not column.known or not column.left:
        return Usage()
    sizes = [float(_size(request)) for request, _ in column.known]
    base, slope = _line(sizes, [float(usage.prompt) for _, usage in column.known])
    prompt = sum(base + slope * _size(request) for request in column.left)
    completion = len(column.left) * sum(usage.completion for _, usage in column.known) / len(column.known)
    return Usage(round(prompt), round(completion))


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Base and slope of the least squares line; through nothing but the mean where all sizes are equal."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((one - mean_x) ** 2 for one in x)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread if spread else 0.0
    return mean_y - slope * mean_x, slope


def _size(request: Request) -> int:
    return sum(len(message.content) for message in request.messages)
