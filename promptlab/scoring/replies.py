"""From what judges reply to a score: read each reply, then settle orders, claims and several judges."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from statistics import fmean
from typing import cast

from msgspec import structs

from promptlab.models.values import Outcome
from promptlab.scoring.grades import Grade, grade_words, read_grade
from promptlab.scoring.juries import USUAL, Jury
from promptlab.scoring.questions import OF_ANSWER, Question, grading
from promptlab.scoring.values import Reply, Score
from promptlab.workspace.toml import shown
from promptlab.workspace.values import Judge

LEAST_MASS = 0.5
"""Below this share of the probability a model would rather have said something else than a grade."""
EVEN = 0.5
"""The value of a tie between two answers."""


def read_reply(judge: Judge, model: str, question: Question, tries: Sequence[Outcome]) -> Reply:
    """What the last of several tries at one question says, with the figures of all of them."""
    last = tries[-1]
    expected = expected_grade(judge, last)
    mass = last.choices.mass if expected is not None and last.choices is not None else None
    grade = _grade(judge, last, question.answer) if expected is None else Grade(expected)
    value = grade.value
    if value is not None and question.about == "AB":
        value = 1.0 - value  # A is the baseline's answer; the value is the candidate's
    costs = [one.cost for one in tries if one.cost is not None]
    return Reply(
        model=model,
        about=question.about,
        text=last.text.strip(),
        value=value,
        missing=grade.missing,
        mass=mass,
        calls=len(tries),
        cached=sum(one.cached for one in tries),
        tokens_in=sum(one.usage.prompt for one in tries),
        tokens_out=sum(one.usage.completion for one in tries),
        cost=sum(costs) if costs else None,
    )


def expected_grade(judge: Judge, outcome: Outcome) -> float | None:
    """The mean of the grades weighed by the model's probabilities (Liu 2023, arXiv 2303.16634); None without them.

    However little of the probability the grades have together: the most probable of them, in its place, would be
    chosen by the same numbers, and a column would hold grades of two kinds.
    """
    found = outcome.choices
    if not judge.expected or found is None:
        return None
    return sum(weight * _value(judge, word) for word, weight in found.of.items()) / sum(found.of.values())


def _value(judge: Judge, word: str) -> float:
    return float(word) if judge.scale is not None else (judge.choices or {})[word]


def _grade(judge: Judge, outcome: Outcome, answer: str | None) -> Grade:
    if outcome.fault is not None:
        return Grade(missing=f"error: {outcome.fault.message}")
    words = grading(judge)
    said = _fields(outcome.text) if judge.reason or judge.quote else {}
    found = _uncut(words, outcome, read_grade(words, str(said.get("grade", "")) or outcome.text))
    if judge.quote and answer is not None and found.value is not None:
        return _quoted(judge, found, str(said.get("quote", "")), answer)
    return found


def _fields(text: str) -> dict[str, object]:
    """A reply in JSON; empty where it is none: then the grade is looked for in the text."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}


def _quoted(judge: Judge, grade: Grade, quote: str, answer: str) -> Grade:
    """The grade, unless it rests on words that the answer does not have; the lowest one needs none."""
    plain = " ".join(quote.casefold().split())
    lowest = min(judge.scale or tuple((judge.choices or {}).values()))
    if grade.value == lowest or (plain and plain in " ".join(answer.casefold().split())):
        return grade
    return Grade(missing=f"the judge quotes what the answer does not say: “{shown(quote, 60)}”")


def _uncut(judge: Judge, outcome: Outcome, grade: Grade) -> Grade:
    """A reply that ended at ``max_tokens`` may end in the middle of a grade: 1 of 10."""
    if outcome.finish != "length":
        return grade
    if grade.value is None:
        return Grade(missing=f"{grade.missing}; it was cut off at `max_tokens`")
    last = re.search(r"[-\w]+\Z", outcome.text.lower())
    if last and any(word.lower().startswith(last[0]) and word.lower() != last[0] for word in grade_words(judge)):
        return Grade(missing=f"the judge's reply was cut off at `max_tokens`, perhaps within a grade: …{last[0]}")
    return grade


def settle(judge: Judge, metric: str, replies: Sequence[Reply], jury: Jury = USUAL) -> Score:
    """The score that replies to all questions about one answer make, of one judging model or several.

    A reply without a value makes its model's whole judgement missing; one such model of several makes the score
    missing, since a jury that changes its members from answer to answer measures nothing.
    """
    by_model: dict[str, list[Reply]] = {}
    for reply in replies:
        by_model.setdefault(reply.model, []).append(reply)
    each = {model: _one(judge, metric, said) for model, said in by_model.items()}
    kept = tuple(replies)
    for model, score in each.items():
        if score.value is None:
            missing = score.missing if len(each) == 1 else f"{model}: {score.missing}"
            return Score(metric, missing=missing, replies=kept)
    if len(each) == 1:
        return structs.replace(next(iter(each.values())), replies=kept)
    return structs.replace(jury.score(metric, {m: cast("float", s.value) for m, s in each.items()}), replies=kept)


def _one(judge: Judge, metric: str, replies: Sequence[Reply]) -> Score:
    """One model's judgement."""
    for reply in replies:
        if reply.value is None:
            behind = f" (asked about “{reply.about[:60]}”)" if judge.kind == "claims" else ""
            return Score(metric, missing=f"{reply.missing}{behind}")
    values = [cast("float", reply.value) for reply in replies]
    match judge.kind:
        case "grade":
            if len(values) > 1:
                apart = f"; {values[0]:g}, and {values[1]:g} exchanged" if values[0] != values[1] else ""
                return Score(metric, fmean(values), detail=f"asked with answer and reference exchanged, too{apart}")
            return Score(metric, values[0], detail=_how(replies[0]))
        case "claims":
            return _claims(judge, metric, replies, values)
        case "pairwise":
            if is_inconsistent(replies):
                return Score(metric, EVEN, detail=f"inconsistent: {_places(replies)}, so it counts as a tie")
            words = {1.0: "preferred in both orders", 0.0: "the baseline's is preferred in both orders"}
            return Score(metric, values[0], detail=words.get(values[0], "a tie in both orders"))


def _claims(judge: Judge, metric: str, replies: Sequence[Reply], values: Sequence[float]) -> Score:
    """The mean over the claims, or F1 of the means over those of the answer and those of the reference."""
    top = max((judge.choices or {}).values(), default=float((judge.scale or (0, 1))[1]))
    full = sum(value == top for value in values)
    least = [f"“{reply.about}”" for reply in replies if reply.value != top]
    said = f"{full} of {len(values)} claims" + (f"; not: {' '.join(least)}" if least else "")
    if judge.claims_of != "both":
        return Score(metric, fmean(values), detail=said)
    own = [reply.about.startswith(OF_ANSWER) for reply in replies]
    precision = fmean(value / top for value, mine in zip(values, own, strict=True) if mine)
    recall = fmean(value / top for value, mine in zip(values, own, strict=True) if not mine)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return Score(metric, f1, detail=f"precision {precision:.2g}, recall {recall:.2g}; {said}")


def _how(reply: Reply) -> str:
    if reply.mass is None:
        return ""
    said = f"expected over the probabilities of the grades; most probable {reply.text}"
    doubt = f"; only {reply.mass:.1%} of what it would say is a grade" if reply.mass < LEAST_MASS else ""
    return said + doubt


def is_inconsistent(replies: Sequence[Reply]) -> bool:
    """Whether the two orders of a pair, asked of one model, have different winners."""
    return len({reply.value for reply in replies}) > 1


def _places(replies: Sequence[Reply]) -> str:
    """Which place won in each order, from the two replies of a pair."""
    first = {"AB": 0.0, "BA": 1.0}  # the value that says that the first place won
    won = ["tie" if r.value == EVEN else "first" if r.value == first[r.about] else "second" for r in replies]
    return f"the {won[0]} place won twice" if won[0] == won[1] else f"{won[0]} in one order, {won[1]} in the other"
