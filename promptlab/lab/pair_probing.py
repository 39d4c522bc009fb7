"""Probes of a judge of pairs: both orders, nonsense, padding, two equal answers, the same pair again.

Order, padding and equal answers are the biases of Zheng 2023, arXiv 2306.05685, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from msgspec import structs

from promptlab.compare.paired import mcnemar_mid_p
from promptlab.lab.audits import Finding
from promptlab.lab.probing import (
    ALPHA,
    FEWEST,
    Probed,
    answered,
    ask,
    calls_of,
    nonsense,
    padded,
    read,
    seeded,
)
from promptlab.lab.wording import plural
from promptlab.models.values import Model
from promptlab.scoring.judge import Judged
from promptlab.scoring.replies import EVEN, is_inconsistent
from promptlab.scoring.values import JudgeItem
from promptlab.workspace.values import Prompt

ROUNDS = 3
ORDER_LIMIT = 0.35
"""Share of pairs with another winner in the other order from which a judge fails, where one answer is nonsense."""
SAME_LIMIT = 0.7
"""Share of pairs that must be settled alike with every seed."""


async def probe_pairs(judge: Prompt, model: Model, items: Sequence[JudgeItem]) -> Probed:
    """Every probe of a judge of pairs. The first of each pair is the answer as it is.

    Raises:
        UsageFault: The judge cannot be filled with these examples.
        ModelFault: The model gave no answer to more than 5 % of the requests.
    """
    against = [structs.replace(item, against=nonsense(item.answer)) for item in items]
    rounds = [await ask(seeded(judge, at), model, against) for at in range(ROUNDS)]
    padding = [structs.replace(item, answer=padded(item.answer), against=item.answer) for item in items]
    longer = await ask(judge, model, padding)
    equal = await ask(judge, model, [structs.replace(item, against=item.answer) for item in items])
    replies = [reply for asked in (*rounds, longer, equal) for reply in asked]
    answered(replies)
    findings = (
        read(replies),
        _order([*rounds[0], *longer]),
        _stability(rounds),
        _noticed(rounds[0]),
        _padding(longer),
        _same(equal),
    )
    grades = {reply.id: reply.score.value for reply in rounds[0] if reply.score.value is not None}
    return Probed(calls_of(replies), findings, grades)


def _settled(replies: Sequence[Judged]) -> list[Judged]:
    return [reply for reply in replies if reply.score.value is not None]


def _order(replies: Sequence[Judged]) -> Finding:
    """How often the winner changes with the order, and whether one place is favoured when it does."""
    pairs = _settled(replies)
    if not pairs:
        return Finding("order", "failed", "No pair was judged in both orders.")
    swayed = [reply for reply in pairs if is_inconsistent(reply.score.replies)]
    share = len(swayed) / len(pairs)
    said = f"{len(swayed)} of {plural(len(pairs), 'pair')} have another winner in the other order"
    # In order AB the first answer is the one whose win is worth 0, in order BA the one whose win is worth 1.
    first = [{"AB": 0.0, "BA": 1.0}[one.about] == one.value for reply in swayed for one in reply.score.replies]
    second = [{"AB": 1.0, "BA": 0.0}[one.about] == one.value for reply in swayed for one in reply.score.replies]
    p = mcnemar_mid_p(sum(first), sum(second))
    if swayed and p < ALPHA:
        place = "first" if sum(first) > sum(second) else "second"
        said += f"; the {place} place is favoured (p = {p:.2g})"
    return Finding("order", "failed" if share > ORDER_LIMIT else "passed", f"{said}.", share)


def _stability(rounds: Sequence[Sequence[Judged]]) -> Finding:
    """Whether other seeds settle a pair in another way."""
    all_of = sorted((reply.id, reply.score.value) for asked in rounds for reply in _settled(asked))
    values = [[value for _, value in group] for _, group in groupby(all_of, key=lambda one: one[0])]
    repeated = [found for found in values if len(found) > 1]
    if not repeated:
        return Finding("stability", "failed", "No pair was judged twice.")
    alike = sum(len(set(found)) == 1 for found in repeated)
    share = alike / len(repeated)
    said = f"{alike} of {plural(len(repeated), 'pair')} are settled alike all {ROUNDS} times"
    return Finding("stability", "failed" if share < SAME_LIMIT else "passed", f"{said}.", share)


def _noticed(replies: Sequence[Judged]) -> Finding:
    """Whether an answer wins against nonsense of the same length."""
    wins, losses, pairs = _counts(replies)
    if pairs < FEWEST:
        return Finding("nonsense", "warned", f"{pairs} pairs are too few to see whether nonsense is noticed.")
    p = mcnemar_mid_p(losses, wins)
    said = f"An answer wins {wins} of {pairs} times against nonsense of the same length and loses {losses} times"
    noticed = wins > losses and p < ALPHA
    return Finding("nonsense", "passed" if noticed else "failed", f"{said} (p = {p:.2g}).", wins / pairs)


def _padding(replies: Sequence[Judged]) -> Finding:
    """Whether an answer wins against itself by an empty restatement."""
    wins, losses, pairs = _counts(replies)
    if pairs < FEWEST:
        return Finding("padding", "warned", f"{pairs} pairs are too few to see whether padding pays.")
    p = mcnemar_mid_p(losses, wins)
    said = (
        f"With an empty restatement behind it an answer wins {wins} of {pairs} times against itself and loses "
        f"{losses} times (p = {p:.2g})"
    )
    pays = wins > losses and p < ALPHA
    return Finding("padding", "failed" if pays else "passed", f"{said}.", wins / pairs)


def _same(replies: Sequence[Judged]) -> Finding:
    """Whether two equal answers are called a tie. In a run nobody is asked about them."""
    said = [one.value for reply in replies for one in reply.score.replies if one.value is not None]
    if not said:
        return Finding("same", "failed", "No pair of equal answers was judged.")
    named = sum(value != EVEN for value in said)
    result = "warned" if named else "passed"
    return Finding(
        "same", result, f"{named} of {len(said)} times it names a winner of two equal answers.", named / len(said)
    )


def _counts(replies: Sequence[Judged]) -> tuple[int, int, int]:
    """Wins, losses and pairs that were settled."""
    values = [reply.score.value for reply in _settled(replies)]
    return sum(value == 1.0 for value in values), sum(value == 0.0 for value in values), len(values)
