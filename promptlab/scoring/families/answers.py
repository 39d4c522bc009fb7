"""Right answers: the answer against what is expected."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

from msgspec import structs

from promptlab.scoring.families.json_answers import parse_json, same_json
from promptlab.scoring.metric import Case, Metric, Missing, Options, number, yes_no
from promptlab.scoring.values import MetricInfo, Score
from promptlab.workspace import sheet as check
from promptlab.workspace.patterns import LONGEST, TooMuchSearch, search
from promptlab.workspace.sheet import Expected
from promptlab.workspace.toml import shown

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NUMBER = re.compile(
    r"(?<![\w.,])[-+−]?(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d{1,3}(?!\w))?"
)


def exact(case: Case) -> Score:
    """Equal to ``expected``: as text without the white space around it, or, if it is no text, as a JSON value.

    An answer that is not JSON where a JSON value is expected is wrong, and scores 0.
    """
    expected = case.expected
    if isinstance(expected, str):
        return case.score(case.text == expected.strip())
    try:
        return case.score(same_json(parse_json(case.text), expected))
    except ValueError as fault:
        return case.score(0, f"the expected value is not text, and the answer is not JSON: {fault}")


def exact_norm(case: Case) -> Score:
    """SQuAD's exact match (Rajpurkar 2016), the best over a list of expected answers.

    Differs from the official script in one case: where normalising leaves nothing of the expected answer ("The"),
    only case and white space are ignored, so that "a" is no right answer to it.
    """
    return case.score(any(_same_norm(case.text, expected) for expected in case.alternatives))


def _same_norm(answer: str, expected: str) -> bool:
    normal = normalise(expected)
    if normal:
        return normalise(answer) == normal
    return answer.lower().split() == expected.lower().split()


def normalise(text: str) -> str:
    """Lower case, then no ASCII punctuation, then no articles, then single spaces: the order matters."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def token_f1(case: Case) -> Score:
    """SQuAD's F1 of the words that answer and expected answer share, the best over a list of expected answers."""
    answer = normalise(case.text).split()
    return case.share(max(_overlap(answer, normalise(expected).split()) for expected in case.alternatives))


def _overlap(answer: Sequence[str], expected: Sequence[str]) -> float:
    if not answer or not expected:
        return float(answer == expected)
    return 2 * (Counter(answer) & Counter(expected)).total() / (len(answer) + len(expected))


def contains(case: Case) -> Score:
    """The fixed ``value``, or any of the expected answers, is a part of the answer."""
    value = case.options.get("value")
    return case.score(any(_found(case, [str(value)] if value is not None else case.alternatives)))


def any_of(case: Case) -> Score:
    """At least one of ``values``, by default of the expected texts, is a part of the answer."""
    return case.score(any(_found(case, _values(case))))


def all_of(case: Case) -> Score:
    """Every one of ``values``, by default of the expected texts, is a part of the answer."""
    values = _values(case)
    lacking = [value for value, there in zip(values, _found(case, values), strict=True) if not there]
    return case.score(not lacking, f"without {_listed(lacking)}" if lacking else "")


def none_of(case: Case) -> Score:
    """None of ``values`` is a part of the answer."""
    values = _values(case)
    there = [value for value, found in zip(values, _found(case, values), strict=True) if found]
    return case.score(not there, f"with {_listed(there)}" if there else "")


def _values(case: Case) -> list[str]:
    values = case.options.get("values")
    return cast("list[str]", values) if values else case.alternatives


def _found(case: Case, wanted: Sequence[str]) -> list[bool]:
    text = case.text
    if case.options.get("ignore_case"):
        wanted, text = [part.casefold() for part in wanted], text.casefold()
    return [part.strip() in text for part in wanted]


def _listed(values: Sequence[str]) -> str:
    return ", ".join(f"“{shown(value, 40)}”" for value in values[:5]) + (" …" if len(values) > 5 else "")


def regex(case: Case) -> Score:
    """``pattern`` is found in the answer; with ``full`` it is the whole answer."""
    try:
        re.compile(pattern := str(case.options.get("pattern", "")))
    except (re.error, RecursionError, OverflowError) as fault:
        raise Missing(f"the pattern is wrong: {fault}") from None
    full = bool(case.options.get("full"))
    try:
        if len(case.text) <= LONGEST:
            return case.score(search(pattern, case.text, full=full) is not None)
        found = None if full else search(pattern, case.text[:LONGEST])
    except TooMuchSearch as much:
        raise Missing(f"no score: {much}".rstrip(".")) from None
    # A match that ends before the cut would be one in the whole answer too.
    if found and found.end < LONGEST:
        return case.score(1)
    return case.score(bool(case.searched))


def choice(case: Case) -> Score:
    """The answer is one of ``choices``, by default those of the prompt's output contract, to the letter."""
    choices = case.options.get("choices") or (case.output and case.output.choices)
    if not choices:
        raise Missing("no choices are declared: give the metric `choices`, or the prompt `[output] choices`")
    return case.score(case.text in (choice.strip() for choice in cast("Sequence[str]", choices)))


def numeric(case: Case) -> Score:
    """|answer − expected| ≤ ``atol`` + ``rtol``·|expected| (numpy's ``isclose``), for any of the expected numbers.

    The answer's number is the last one in it, or the first with ``take = "first"``. Commas group thousands; a unit
    or a percent sign behind a number is not read. An answer without a number is wrong.
    """
    expected = [_expected_number(text) for text in case.alternatives]
    found = _NUMBER.findall(case.searched)
    if not found:
        return case.score(0, "no number in the answer")
    value = _value(found[0 if case.options.get("take") == "first" else -1])
    atol, rtol = (cast("float", case.options.get(key, 0.0)) for key in ("atol", "rtol"))
    # Binary fractions: 0.3 − 0.2 is a little less than 0.1, and nobody who writes atol = 0.1 means that.
    slack = max(abs(value), *(abs(number) for number in expected)) * 4e-16
    close = any(abs(value - number) <= atol + rtol * abs(number) + slack for number in expected)
    return case.score(close, f"{value:g}")


def _expected_number(text: str) -> float:
    found = _NUMBER.findall(text[:200])
    if len(found) != 1:
        raise Missing(f"the example's `expected` is not one number: “{shown(text, 40)}”")
    return _value(found[0])


def _value(written: str) -> float:
    value = float(written.replace(",", "").replace("−", "-"))
    if abs(value) > 1e300:
        raise Missing("the number is too large")
    return value


def _pattern(value: object) -> str:
    pattern = check.word(value)
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as fault:
        raise Expected("a regular expression", f"one that is wrong: {fault}") from None
    if nested := _NESTED.search(pattern):
        hint = f"Write it without repeating a repetition, such as `a+` for `(a+)+`: here `{shown(nested[0])}`."
        raise Expected("a regular expression that ends in reasonable time", "one that tries every split", hint)
    return pattern


_NESTED = re.compile(r"\((?:\?:)?(?:\\[a-zA-Z]|\[[^\]\\]*\]|[^\\()\[\]|?*+{}^$])(?:[*+]|\{\d+,\})\)(?:[*+]|\{\d+,\})")
"""One repeated character class as all of a repeated group, as in ``(a+)+``: on a text that does not match, ``re``
tries 2^n ways to split it and cannot be stopped. This is the common form; ``re`` has no general guard."""


def some_words(what: str) -> check.Check:
    """A list of texts with at least one in it."""

    def inner(value: object) -> list[str]:
        found = check.words(value)
        if not found:
            raise Expected(f"at least one {what}")
        return found

    return inner


def _without_expected(option: str) -> Callable[[MetricInfo, Options], MetricInfo]:
    """The expected answer is needed only where this option does not stand in for it."""

    def described(info: MetricInfo, options: Options) -> MetricInfo:
        return structs.replace(info, needs="") if option in options else info

    return described


_LIST = {"values": some_words("text"), "ignore_case": check.boolean}

METRICS = (
    Metric(yes_no("exact", "the answer is the expected one", "expected"), exact),
    Metric(
        yes_no("exact_norm", "the same, whatever the case, punctuation and English articles (SQuAD)", "expected"),
        exact_norm,
    ),
    Metric(
        yes_no("contains", "the expected text, or `value`, stands in the answer", "expected"),
        contains,
        {"value": check.word, "ignore_case": check.boolean},
        described=_without_expected("value"),
    ),
    Metric(
        yes_no("any_of", "at least one of `values`, or of the expected texts, stands in the answer", "expected"),
        any_of,
        _LIST,
        described=_without_expected("values"),
    ),
    Metric(
        yes_no("all_of", "each of `values`, or of the expected texts, stands in the answer", "expected"),
        all_of,
        _LIST,
        described=_without_expected("values"),
    ),
    Metric(yes_no("none_of", "none of `values` stands in the answer"), none_of, _LIST, ("values",)),
    Metric(
        yes_no("regex", "`pattern` is found in the answer, or with `full` is all of it"),
        regex,
        {"pattern": _pattern, "full": check.boolean},
        ("pattern",),
    ),
    Metric(yes_no("choice", "the answer is one of the declared choices"), choice, {"choices": some_words("choice")}),
    Metric(
        yes_no(
            "numeric", "the number in the answer is the expected one, within `atol` + `rtol`·|expected|", "expected"
        ),
        numeric,
        {"atol": check.number(0), "rtol": check.number(0), "take": check.one_of("last", "first")},
    ),
    Metric(
        number("token_f1", "words shared with the expected answer, as F1 (SQuAD)", "expected", "max", high=1.0),
        token_f1,
    ),
)
