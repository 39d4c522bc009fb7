"""Reading a judge's reply: the grade it gives, or why there is none. Never a guess, never a value off the scale."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from promptlab.workspace.toml import shown
from promptlab.workspace.values import Judge


class Grade(NamedTuple):
    """What was read: exactly one of the two is set."""

    value: float | None = None
    missing: str = ""


def read_grade(judge: Judge, text: str) -> Grade:
    """Find the grade in a judge's reply.

    The places where a grade may stand are tried in order, and the first that holds one decides; if it holds two
    different ones, none is taken:

    1. the whole reply, whatever quotes, full stop or markdown stand around it;
    2. behind a final or overall label: "Final score: 4";
    3. behind a label: "Score: 4", "grade of **4**", ``"rating": 4``, "I rate this 4";
    4. as a fraction of the highest grade: "4/5", "4 out of 5", "3 of 3";
    5. by itself: in bold, on the first or last line, or at the head of a line before a comma, colon or dash.

    A number that merely occurs in a sentence ("I found 3 errors.") or numbers a list is no grade. What a model thinks
    aloud, up to ``</think>``, is skipped.

    Args:
        judge: Its scale or choices.
        text: The reply.
    """
    reply = text.rpartition("</think>")[2].strip()
    if not reply:
        return Grade(missing="the judge's reply is empty")
    reader = _reader(*_vocabulary(judge))
    for place in (reader.whole, reader.final, reader.labelled, reader.fraction, reader.alone):
        found = list(dict.fromkeys(place(reply)))
        if found:
            return _settle(judge, found)
    return Grade(missing=f"no grade in the judge's reply: “{shown(' '.join(reply.split()), 80)}”")


def grade_words(judge: Judge) -> tuple[str, ...]:
    """Every reply that is a grade: the whole numbers of the scale, or the choices."""
    if judge.scale is not None:
        low, high = judge.scale
        return tuple(str(grade) for grade in range(low, high + 1))
    return tuple(judge.choices or {})


def _vocabulary(judge: Judge) -> tuple[str, str]:
    """The pattern of a grade, and what a fraction of the highest grade ends with."""
    if judge.scale is not None:
        return r"[-+−]?\d+(?:[.,]\d+)?", str(judge.scale[1])
    words = sorted(judge.choices or {}, key=len, reverse=True)
    return "(?:" + "|".join(r"\s+".join(map(re.escape, word.split())) for word in words) + ")", ""


def _settle(judge: Judge, found: list[str]) -> Grade:
    """One grade in the judge's terms, or why these words are none."""
    if judge.scale is None:
        choices = {" ".join(word.lower().split()): score for word, score in (judge.choices or {}).items()}
        values = {choices[" ".join(word.lower().split())] for word in found}
        if len(values) > 1:
            return Grade(missing=f"the judge gives two different grades: {shown(found[0])} and {shown(found[1])}")
        return Grade(values.pop())
    numbers = list(dict.fromkeys(float(word.replace(",", ".").replace("−", "-")) for word in found))
    if len(numbers) > 1:
        return Grade(missing=f"the judge gives two different grades: {numbers[0]:g} and {numbers[1]:g}")
    low, high = judge.scale
    value = numbers[0]
    if not low <= value <= high:
        return Grade(missing=f"the grade {value:g} is outside the scale from {low} to {high}")
    if value != int(value):
        return Grade(missing=f"the grade {value:g} is not a whole number from {low} to {high}")
    return Grade(value)


# Repetitions have a bound, or begin at a fixed word: no reply, however hostile, takes more than linear time.
_DECOR = r"[\s\"'“”‘’`*_#()\[\]{}<>]{0,8}"
_VERB = (
    r"(?<!\bnot )(?<!n['’]t )(?<!never )"
    r"\b(?:give|rate|grade|score|award)s?\s+(?:it|this|that)(?:\s+(?:reply|answer|response|one))?"
)
_NOUN = r"(?:score|grade|rating|verdict|judge?ment)(?:\s+(?:of|for)\s+(?:(?:the|this)\s+)?[^\W\d]\w{0,20})?"
# A judge that says "the answer is 4" may repeat what it was given to grade; "Answer: 4" on a line is its own.
_ANSWER = {True: r"^[\W_]{0,8}answer(?=\W{0,4}[:=])", False: r"\banswer"}
_RANGE = r"(?:\s?[(\[]\s?[-−]?\d{1,4}\s?(?:-|–|—|to|/)\s?[-−]?\d{1,4}\s?[)\]])?"
_LINK = r"(?:\s{0,2}(?:[:=→]|->|-\s|(?:is|of|as|be|an?|at)\b)){0,4}"
# "(1 = worst, 5 = best)" says what the grades mean.
_KEY = r"(?:\s?\([^()\n]{1,80}=[^()\n]{1,80}\))?"
_NO_KEY = r"(?![^()\n]{0,80}=[^()\n]{0,80}\))"
_COUNTED = r"(?![ \t]+(?!(?:out|of|because|since|as|for|points?|stars?|and|but|which|overall)\b)[^\W\d])"


class _Reader:
    """The patterns for one vocabulary of grades."""

    def __init__(self, grade: str, highest: str) -> None:
        numbers = bool(highest)
        # No part of a longer number, range or word; and what counts things ("3 errors") is no grade.
        one = rf"(?<![\w.,/−-])({grade})(?![\w%]|[.,/]\d|\s?[-–—/]\s?\d){_COUNTED}{_NO_KEY}"
        behind = rf"(?:{_VERB}|\b{_NOUN}|{_ANSWER[numbers]}){_RANGE}{_KEY}{_DECOR}{_LINK}{_DECOR}"
        over = rf"(?:\s?/\s?|\s+(?:out\s+)?of\s+){highest}(?![\w.,]?\d)" if numbers else r"(?!)"
        flags = re.IGNORECASE | re.MULTILINE
        self._whole = re.compile(rf"{_DECOR}({grade}){_DECOR}[.!]?{_DECOR}", flags)
        self._whole_over = re.compile(rf"{_DECOR}({grade}){over}{_DECOR}[.!]?{_DECOR}", flags)
        self._fraction = re.compile(rf"(?<![\w.,/−-])({grade}){over}", flags)
        graded = rf"(?:{self._fraction.pattern}|{one})"
        self._final = re.compile(rf"\b(?:final|overall|total)\s+{behind}{graded}", flags)
        self._labelled = re.compile(rf"{behind}{graded}", flags)
        self._bold = re.compile(rf"\*\*\s?({grade})(?:{over})?\s?[.!]?\s?\*\*{_COUNTED}", flags)
        # "1. It greets." is the head of a list.
        stop = "" if numbers else "."
        self._leading = re.compile(rf"^{_DECOR}({grade}){_DECOR}(?:[,:;!–—{stop}]|\s-)(?=\s+[^\W\d])", flags)

    def whole(self, reply: str) -> Iterator[str]:
        """The reply and nothing else."""
        match = self._whole.fullmatch(reply) or self._whole_over.fullmatch(reply)
        if match:
            yield match[1]

    def final(self, reply: str) -> Iterator[str]:
        """Behind "final score" and the like."""
        return _groups(self._final, reply)

    def labelled(self, reply: str) -> Iterator[str]:
        """Behind "score" and the like."""
        return _groups(self._labelled, reply)

    def fraction(self, reply: str) -> Iterator[str]:
        """Over the highest grade."""
        return _groups(self._fraction, reply)

    def alone(self, reply: str) -> Iterator[str]:
        """In bold, on the first or last line, or leading the reply."""
        yield from _groups(self._bold, reply)
        lines = [line for line in reply.splitlines() if line.strip()]
        for line in (lines[0], lines[-1]):
            yield from self.whole(line)
        yield from _groups(self._leading, reply)


def _groups(pattern: re.Pattern[str], reply: str) -> Iterator[str]:
    for match in pattern.finditer(reply):
        yield next(group for group in match.groups() if group is not None)


@lru_cache(maxsize=64)
def _reader(grade: str, highest: str) -> _Reader:
    return _Reader(grade, highest)
