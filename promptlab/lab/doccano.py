"""Reviews to and from the four JSONL shapes of doccano, the annotation tool.

``classification``  {"text": …, "label": ["good"]}                       thumbs, grades
``sequence``        {"text": …, "label": [[0, 4, "wrong"]]}              notes on a part of an answer
``seq2seq``         {"text": …, "label": ["a better answer"]}            corrections
``intent``          {"text": …, "cats": ["good"], "entities": [[…]]}     thumbs or grades, and notes on parts

Older versions write ``labels`` for ``label``. Further keys come back as they went: ``example`` and ``answer`` say
what a line is of, and where they are lacking, the answer with this very text is looked for in the run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast

import msgspec

from promptlab.errors import InvalidFile, Problem
from promptlab.lab.reviewing import Task, tasks
from promptlab.workspace.reviews import Review, answer_hash, example_hash
from promptlab.workspace.toml import decode, shown

if TYPE_CHECKING:
    from promptlab.lab.table import RunTable

Shape = Literal["classification", "sequence", "seq2seq", "intent"]
SHAPES: tuple[Shape, ...] = ("classification", "sequence", "seq2seq", "intent")
GOOD, BAD = ("good", "up", "yes", "correct"), ("bad", "down", "no", "wrong")
_Line = Mapping[str, object]
_NOTE = re.compile(r"“(?P<quoted>.*)” \((?P<start>[0-9]{1,9})–(?P<end>[0-9]{1,9})\): (?P<label>.*)", re.DOTALL)


def export(table: RunTable, shape: Shape, reviews: Sequence[Review]) -> bytes:
    """Every different answer of a run as a line, with the labels that people gave it so far."""
    lines: list[dict[str, object]] = []
    for task in sorted(tasks(table, "grade", 0), key=lambda task: task.example.id):
        mine = [one for one in reviews if _is_of(one, task)]
        line: dict[str, object] = {"text": task.answer, **_labels(shape, task.answer, mine)}
        line |= {"example": task.example.id, "answer": answer_hash(task.answer)}
        lines.append(line)
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def _is_of(review: Review, task: Task) -> bool:
    return (review.example, review.content, review.answer) == (
        task.example.id,
        example_hash(task.example),
        answer_hash(task.answer),
    )


def _labels(shape: Shape, answer: str, reviews: Sequence[Review]) -> dict[str, object]:
    words = [_word(one) for one in reviews if one.kind in ("thumb", "grade") and one.value is not None]
    spans = [span for one in reviews if one.kind == "note" and (span := _span(answer, one.text))]
    match shape:
        case "classification":
            return {"label": words}
        case "sequence":
            return {"label": spans}
        case "seq2seq":
            return {"label": [one.text for one in reviews if one.kind == "correction"]}
        case "intent":
            return {"cats": words, "entities": spans}


def _word(review: Review) -> str:
    value = review.value or 0.0
    return ("good" if value else "bad") if review.kind == "thumb" else f"{value:g}"


def _note(answer: str, start: int, end: int, label: str) -> str:
    """A note on a part of an answer: which part, and what is said of it."""
    return f"“{answer[start:end]}” ({start}–{end}): {label}"


def _span(answer: str, note: str) -> list[object]:
    """The part that a note is on, as doccano writes it; [] of a note on the whole."""
    found = _NOTE.fullmatch(note)
    if found is None or found["quoted"] != answer[int(found["start"]) : int(found["end"])]:
        return []
    return [int(found["start"]), int(found["end"]), found["label"]]


def read(data: bytes, source: str, shape: Shape, table: RunTable, by: str) -> list[Review]:
    """The reviews that a file from doccano holds.

    Args:
        data: The file.
        source: Its name, for messages.
        shape: Which of the four it has.
        table: The run whose answers were labelled.
        by: Who labelled, where a line does not say.

    Raises:
        InvalidFile: With every line that is of another shape, or of an answer that the run does not have.
    """
    known = tasks(table, "grade", 0)
    by_place = {(task.example.id, answer_hash(task.answer)): task for task in known}
    by_text: dict[str, list[Task]] = {}
    for task in known:
        by_text.setdefault(task.answer.strip(), []).append(task)
    found: list[Review] = []
    problems: list[Problem] = []
    for number, text in enumerate(decode(data, source).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            line = msgspec.json.decode(text, type=dict[str, object])
            task = _task(line, by_place, by_text)
            who = str(line.get("username") or line.get("annotator") or by)
            found += _reviews(line, shape, task, who)
        except (msgspec.DecodeError, msgspec.ValidationError) as fault:
            problems.append(Problem(f"The line is no JSON object: {fault}.", source, number))
        except ValueError as fault:
            problems.append(Problem(str(fault), source, number))
    if problems:
        raise InvalidFile(*problems)
    return found


def _task(line: _Line, by_place: Mapping[tuple[str, str], Task], by_text: Mapping[str, list[Task]]) -> Task:
    text = line.get("text")
    if not isinstance(text, str):
        raise ValueError("Expected a `text`.")
    place = str(line.get("example", "")), str(line.get("answer", ""))
    if place in by_place:
        return by_place[place]
    same = by_text.get(text.strip(), [])
    if len(same) == 1:
        return same[0]
    if same:
        ids = ", ".join(shown(task.example.id) for task in same[:4])
        raise ValueError(f"Several examples have this answer ({ids}): give the line `example` and `answer`.")
    raise ValueError(f"The run has no answer “{shown(' '.join(text.split()), 60)}”.")


def _reviews(line: _Line, shape: Shape, task: Task, by: str) -> Iterator[Review]:
    label = line.get("label", line.get("labels", []))
    match shape:
        case "classification":
            yield from (_rating(task, by, word) for word in _items(label, "label"))
        case "sequence":
            yield from (_part(task, by, span) for span in _items(label, "label"))
        case "seq2seq":
            for text in _items(label, "label"):
                yield task.review("correction", by, text=str(text))
        case "intent":
            yield from (_rating(task, by, word) for word in _items(line.get("cats", []), "cats"))
            yield from (_part(task, by, span) for span in _items(line.get("entities", []), "entities"))


def _items(value: object, key: str) -> list[object]:
    if isinstance(value, str | int | float):
        return [value]
    if not isinstance(value, list):
        raise ValueError(f"Expected a list as `{key}`.")
    return cast("list[object]", value)


def _rating(task: Task, by: str, word: object) -> Review:
    """good and bad are thumbs, numbers are grades."""
    said = str(word).strip().lower()
    if said in GOOD or said in BAD:
        return task.review("thumb", by, float(said in GOOD))
    try:
        grade = float(said)
    except ValueError:
        grade = math.nan
    if not math.isfinite(grade):
        raise ValueError(f"Expected a number, good or bad as a label, not “{shown(said, 40)}”.")
    return task.review("grade", by, grade)


def _part(task: Task, by: str, span: object) -> Review:
    if isinstance(span, dict):
        named = cast("dict[str, object]", span)
        span = [named.get(key) for key in ("start_offset", "end_offset", "label")]
    parts = cast("list[object]", span) if isinstance(span, list) else []
    if len(parts) != 3 or not all(type(part) is int for part in parts[:2]):
        raise ValueError("Expected parts as [start, end, label].")
    start, end, label = cast("int", parts[0]), cast("int", parts[1]), parts[2]
    if not 0 <= start < end <= len(task.answer):
        raise ValueError(f"The part from {start} to {end} is not within the answer of {len(task.answer)} characters.")
    return task.review("note", by, text=_note(task.answer, start, end, str(label)))
