"""Probes of a judge that grades: the same answer again, padding, nonsense, the grades it uses.

The padding probe is the attack of Zheng 2023, arXiv 2306.05685, section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from statistics import fmean, variance
from typing import NamedTuple

from msgspec import structs

from promptlab.compare.intervals import wilson
from promptlab.compare.paired import numeric
from promptlab.errors import ModelFault, UsageFault
from promptlab.lab.audits import Finding
from promptlab.lab.judged import mass_of
from promptlab.models.values import Model
from promptlab.scoring.judge import Judged, judge_outcomes
from promptlab.scoring.questions import table_of
from promptlab.scoring.replies import LEAST_MASS
from promptlab.scoring.values import JudgeItem
from promptlab.workspace.values import Judge, Prompt

REPEATS = 5
PARSE_LIMIT = 0.05
"""Share of replies without a grade from which a judge fails."""
SPREAD_LIMIT = 0.1
"""Standard deviation of one answer's grades, as a share of the scale, from which a judge fails."""
ALPHA = 0.05
FEWEST = 6  # answers from which a sign-flip test can reach 0.05
_LISTED = 12  # grades that are named one by one
_NONSENSE = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore"

Grades = Mapping[str, float]


class Probed(NamedTuple):
    """What probes found, and how often the model was asked. ``grades`` are those of the answers as they are."""

    calls: int
    findings: tuple[Finding, ...]
    grades: Grades


async def probe_grades(judge: Prompt, model: Model, items: Sequence[JudgeItem]) -> Probed:
    """Every probe of a judge that grades answers, or their claims.

    Raises:
        UsageFault: The judge cannot be filled with these examples.
        ModelFault: The model gave no answer to more than 5 % of the requests.
    """
    table = table_of(judge)
    rounds = [await ask(seeded(judge, at), model, items) for at in range(REPEATS)]
    padding = await ask(judge, model, [structs.replace(item, answer=padded(item.answer)) for item in items])
    empty = await ask(judge, model, [structs.replace(item, answer=nonsense(item.answer)) for item in items])
    replies = [reply for asked in (*rounds, padding, empty) for reply in asked]
    answered(replies)
    grades = [_grades(asked) for asked in rounds]
    low, high = _scale(table)
    findings = (
        read(replies),
        *_probabilities(replies),
        _stability(grades, high - low),
        _padding(grades[0], _grades(padding)),
        _range([*grades, _grades(padding), _grades(empty)]),
        _noticed(grades[0], _grades(empty)),
    )
    return Probed(calls_of(replies), findings, grades[0])


def seeded(judge: Prompt, at: int) -> Prompt:
    """The judge with another seed."""
    return structs.replace(judge, params=structs.replace(judge.params, seed=judge.params.seed + at))


def padded(answer: str) -> str:
    """An answer with an empty restatement behind it."""
    return f"{answer}\n\nTo put it another way: {answer}\n\nIn short, what stands above is the whole answer."


def nonsense(answer: str) -> str:
    """As many words without a meaning."""
    words = _NONSENSE.split()
    return " ".join(words[at % len(words)] for at in range(max(3, len(answer.split()))))


async def ask(judge: Prompt, model: Model, items: Sequence[JudgeItem]) -> list[Judged]:
    """What the judge says of the answers the first time: nothing is asked again, and nothing comes from a cache."""
    async with aclosing(judge_outcomes(judge, "audit", [model], items, retries=0)) as graded:
        return [one async for one in graded]


def answered(replies: Sequence[Judged]) -> None:
    """Raise where too many requests had no answer."""
    outcomes = [outcome for reply in replies for outcome in reply.outcomes]
    faults = [outcome.fault for outcome in outcomes if outcome.fault is not None]
    if len(faults) <= PARSE_LIMIT * len(outcomes):
        return
    if faults[0].kind == "template":
        raise UsageFault(f"The judge cannot be filled with the examples of this eval set: {faults[0].message}")
    raise ModelFault(f"{len(faults)} of {len(outcomes)} requests had no answer: {faults[0].message}")


def _grades(replies: Sequence[Judged]) -> dict[str, float]:
    return {reply.id: reply.score.value for reply in replies if reply.score.value is not None}


def _scale(judge: Judge) -> tuple[float, float]:
    grades = judge.scale or tuple((judge.choices or {}).values())
    return float(min(grades)), float(max(grades))


def read(replies: Sequence[Judged]) -> Finding:
    """How many replies have no grade."""
    said_of = [one for reply in replies for one in reply.score.replies if not one.missing.startswith("error: ")]
    without = [one for one in said_of if one.value is None]
    share = len(without) / len(said_of) if said_of else 1.0
    low, high = wilson(share, max(1, len(said_of)), 0.95)
    said = f"{len(without)} of {len(said_of)} replies have no grade (95 % interval {low:.1%} to {high:.1%})"
    example = f", such as: {without[0].missing}" if without else ""
    return Finding("replies", "failed" if share > PARSE_LIMIT else "passed", f"{said}{example}.", share)


def _probabilities(replies: Sequence[Judged]) -> tuple[Finding, ...]:
    """How much of what the model would say is a grade, where grades are means over probabilities."""
    mass = mass_of([one for reply in replies for one in reply.score.replies])
    if mass is None:
        return ()
    said = f"{mass:.1%} of what the model would say by itself is a grade"
    more = "; it was hardly made to grade" if mass < LEAST_MASS else ""
    return (Finding("probabilities", "warned" if more else "passed", f"{said}{more}.", mass),)


def _stability(rounds: Sequence[Grades], span: float) -> Finding:
    repeated = [[asked[id] for asked in rounds if id in asked] for id in rounds[0]]
    repeated = [grades for grades in repeated if len(grades) > 1]
    if not repeated:
        return Finding("stability", "failed", "No answer was graded twice.")
    spread = math.sqrt(fmean(variance(grades) for grades in repeated))
    same = sum(len(set(grades)) == 1 for grades in repeated)
    said = (
        f"{same} of {len(repeated)} answers have the same grade all {REPEATS} times; "
        f"the grades of one answer spread by {spread:.2g}"
    )
    return Finding("stability", "failed" if spread > SPREAD_LIMIT * span else "passed", f"{said}.", spread)


def _padding(plain: Grades, padded: Grades) -> Finding:
    changes = [padded[id] - plain[id] for id in plain if id in padded]
    if len(changes) < FEWEST:
        return Finding("padding", "warned", f"{len(changes)} answers are too few to see whether padding pays.")
    estimate = numeric(changes, None, bounded=False)
    said = (
        f"An empty restatement behind the answer changes its grade by {estimate.effect:+.2g} (p = {estimate.p:.2g})"
    )
    pays = estimate.effect > 0 and estimate.p < ALPHA
    return Finding("padding", "failed" if pays else "passed", f"{said}.", estimate.effect)


def _range(rounds: Sequence[Grades]) -> Finding:
    used = sorted({grade for asked in rounds for grade in asked.values()})
    listed = ", ".join(f"{grade:.3g}" for grade in used)
    if len(used) > _LISTED:  # means over probabilities are all different
        listed = f"{len(used)} different ones from {used[0]:.3g} to {used[-1]:.3g}"
    if len(used) == 1:
        return Finding("range", "failed", f"Everything has the grade {listed}, nonsense too.", 1)
    return Finding("range", "passed", f"Grades given: {listed or 'none'}.", len(used))


def _noticed(plain: Grades, nonsense: Grades) -> Finding:
    changes = [plain[id] - nonsense[id] for id in plain if id in nonsense]
    if len(changes) < FEWEST:
        return Finding(
            "nonsense", "warned", f"{len(changes)} answers are too few to see whether nonsense is noticed."
        )
    estimate = numeric(changes, None, bounded=False)
    noticed = estimate.effect > 0 and estimate.p < ALPHA
    said = f"Answers are graded {estimate.effect:+.2g} against nonsense of the same length (p = {estimate.p:.2g})"
    # Some criteria, such as "is not rude", are met by nonsense.
    return Finding("nonsense", "passed" if noticed else "warned", f"{said}.", estimate.effect)


def calls_of(replies: Sequence[Judged]) -> int:
    """How many requests were made."""
    return sum(len(reply.outcomes) for reply in replies)
