"""Static checks: what can be said of an answer without knowing a right one."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence
from xml.parsers import expat

from promptlab.scoring.metric import Case, Metric, Missing, amount, number, yes_no
from promptlab.scoring.values import Score
from promptlab.workspace import sheet as check
from promptlab.workspace.toml import shown

_SENTENCE = re.compile(r"[^.!?…。！？\s](?:[^.!?…。！？]|[.!?…](?=\w))*(?:[.!?…]+(?!\w)|[。！？]+|\Z)")
_BULLET = re.compile(r"^[ \t]*(?:[-*+•–]|\d{1,3}[.)])[ \t]+\S", re.MULTILINE)
_PLACEHOLDER = re.compile(
    r"\[(?:insert|your|add|enter|name|date|company|todo|tbd|placeholder|xxx)\b[^\[\]\n]{0,60}\]"
    r"|<(?:insert|your|enter)[ _-][^<>\n]{0,60}>|\{\{[^{}\n]{0,60}\}\}|(?-i:\b(?:TODO|TBD|XXX|FIXME)\b)|lorem ipsum",
    re.IGNORECASE,
)
_CITATION = re.compile(
    r"\[\d{1,3}(?:\s?[,–-]\s?\d{1,3}){0,9}\](?!\()"  # [3], [1, 4]; [3](address) is a link and counts as one
    r"|\((?:[A-ZÀ-Þ][\w'’-]{0,40}(?: et al\.)?(?:,? (?:and|&) [A-ZÀ-Þ][\w'’-]{0,40})?),? (?:19|20)\d\d[a-z]?\)"
    r"|https?://[^\s<>()\[\]]{4,}"
)
_DELIMITER = re.compile(r"\s*\|?(?:\s*:?-+:?\s*\|)*\s*:?-+:?\s*\|?\s*")
_CODE_LIMIT = 100_000


def length(case: Case) -> float:
    """Characters, words between white space, sentences or lines that are not empty."""
    match case.options.get("unit"):
        case "words":
            return len(case.text.split())
        case "sentences":
            return sentences(case.text)
        case "lines":
            return sum(1 for line in case.text.splitlines() if line.strip())
        case _:
            return len(case.text)


def sentences(text: str) -> int:
    """How many there are; a full stop within a number or word ends none."""
    return len(_SENTENCE.findall(text))


def bullets(case: Case) -> float:
    """Lines that begin with ``-``, ``*``, ``+``, ``•``, ``1.`` or ``1)``."""
    return len(_BULLET.findall(case.text))


def citations(case: Case) -> float:
    """``[3]``, ``(Lin, 2004)`` and web addresses."""
    return len(_CITATION.findall(case.text))


def one_line(case: Case) -> Score:
    """There is an answer, and it is one line."""
    return case.score(bool(case.text) and len(case.text.splitlines()) == 1)


def starts_with(case: Case) -> Score:
    value, text = _edge(case)
    return case.score(text.startswith(value))


def ends_with(case: Case) -> Score:
    value, text = _edge(case)
    return case.score(text.endswith(value))


def _edge(case: Case) -> tuple[str, str]:
    value = str(case.options.get("value", "")).strip()
    return (value.casefold(), case.text.casefold()) if case.options.get("ignore_case") else (value, case.text)


def no_placeholder(case: Case) -> Score:
    """Nothing is left to fill in: no ``[INSERT …]``, ``[Your name]``, ``<your-…>``, ``{{ … }}``, TODO."""
    found = _PLACEHOLDER.search(case.searched)
    return case.score(found is None, shown(found[0]) if found else "")


def not_truncated(case: Case) -> Score:
    """The model ended by itself, and not at ``max_tokens``."""
    return case.score(case.outcome.finish != "length")


def xml_valid(case: Case) -> Score:
    """The whole answer is one well-formed XML document. One that declares entities is not read: it may be a bomb."""
    parser = expat.ParserCreate()
    parser.EntityDeclHandler = _no_entity
    try:
        parser.Parse(case.text.encode("utf-8", "replace"), True)
    except expat.ExpatError as fault:
        return case.score(0, f"{expat.ErrorString(fault.code)} at line {fault.lineno} column {fault.offset + 1}")
    return case.score(1)


def _no_entity(*_: object) -> None:
    raise Missing("the answer declares XML entities, which are not read")


def python_parses(case: Case) -> Score:
    """The whole answer is Python that this version parses; it is never run."""
    if len(case.text) > _CODE_LIMIT:
        raise Missing(f"the answer has more than {_CODE_LIMIT:,} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "is" with a literal and the like: not our code
            ast.parse(case.text)
    except SyntaxError as fault:
        return case.score(0, f"{fault.msg} at line {fault.lineno or 1}")
    except ValueError as fault:
        return case.score(0, str(fault))
    except (RecursionError, MemoryError):
        raise Missing("the answer is nested too deeply") from None
    return case.score(1)


def markdown_table(case: Case) -> Score:
    """The answer has a table, and every row of every table has as many cells as its head."""
    lines = case.text.splitlines()
    heads = [at for at in range(1, len(lines)) if "|" in lines[at] and _DELIMITER.fullmatch(lines[at][:400].strip())]
    heads = [at for at in heads if "|" in lines[at - 1]]
    if not heads:
        return case.score(0, "no table in the answer")
    for at in heads:
        width = _cells(lines[at - 1])
        for number_, row in enumerate(lines[at:], start=at + 1):
            if "|" not in row:
                break
            if _cells(row) != width:
                return case.score(0, f"line {number_} has {_cells(row)} cells, the head of the table {width}")
    return case.score(1)


def _cells(row: str) -> int:
    inner = row.strip().replace("\\|", "").removeprefix("|")
    return inner.removesuffix("|").count("|") + 1


_EDGE = {"value": check.word, "ignore_case": check.boolean}
_UNIT = {"unit": check.one_of("chars", "words", "sentences", "lines")}

METRICS: Sequence[Metric] = (
    amount(number("length", "how long the answer is", unit="chars"), length, check.whole(1), _UNIT),
    amount(number("bullets", "items of lists in the answer"), bullets),
    amount(number("citations", "sources that the answer names: [1], (Lin, 2004), addresses"), citations),
    Metric(yes_no("one_line", "the answer is one line"), one_line),
    Metric(yes_no("starts_with", "the answer starts with `value`"), starts_with, _EDGE, ("value",)),
    Metric(yes_no("ends_with", "the answer ends with `value`"), ends_with, _EDGE, ("value",)),
    Metric(yes_no("no_placeholder", "nothing in the answer is left to fill in"), no_placeholder),
    Metric(yes_no("not_truncated", "the answer was not cut off at `max_tokens`"), not_truncated),
    Metric(yes_no("xml_valid", "the answer is well-formed XML"), xml_valid),
    Metric(yes_no("python_parses", "the answer is Python"), python_parses),
    Metric(yes_no("markdown_table", "the answer has a table, with as many cells in every row"), markdown_table),
)
