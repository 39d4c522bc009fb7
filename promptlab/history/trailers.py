"""The message of a run's tag and commit: a title, and what the run was as trailers, so that a list opens no file.

Values hold only ``A-Z a-z 0-9 . _ @ / : = * + -``, so that no text of a model or a name can break a line or start a
trailer of its own. Any other byte of a name is written ``=XX``, as in quoted-printable.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping

from promptlab import __version__
from promptlab.history.git import plain
from promptlab.history.values import ColumnLine, RunRecord, ScoreLine

FORMAT = "1"
TAG = re.compile(r"run/(?P<subject>.+)/(?P<run>[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6})")
_UNSAFE = re.compile(rb"[^A-Za-z0-9._@/:*+-]")
_ESCAPE = re.compile(rb"=([0-9A-F]{2})")
# What a trailer, and the line end between two, may hold.
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@/:=*+- \n"
# A list of runs has thousands of lines: an expression each reads all of a kind at once. What a later version may add
# behind the words of a line is passed over.
_HEAD = re.compile(
    rf"Promptlab-Format: {FORMAT}\nPromptlab-Run: (?P<run>[^ \n]*)[^\n]*\nPromptlab-State: (?P<state>[^ \n]*)[^\n]*\n"
    r"Promptlab-Evalset: (?P<evalset>[^ \n]*)@(?P<content>[^ \n]*) n=(?P<n>[0-9]+)(?: [^\n]*)?(?:\n|$)"
)
_COLUMN = re.compile(
    r"\nPromptlab-Variant: ([^ \n]*) prompt=([^ \n]*)@([^ \n]*) version=([^ \n]*) model=([^ \n]*)"
    r" identity=([^ \n]*)(?: set=([^ \n]*))?"
)
_SCORE = re.compile(
    r"\nPromptlab-Score: ([^ \n]*) ([^ \n]*)=([0-9.e+-]+) n=([0-9]+)(?: se=([0-9.e+-]+))?(?: missing=([0-9]+))?"
)
_PLAN = re.compile(r"\nPromptlab-Plan: ([^ \n]*)")


def message(
    *,
    run: str,
    title: str,
    evalset: str,
    evalset_content: str,
    n: int,
    columns: Iterable[ColumnLine],
    scores: Iterable[ScoreLine],
    results: Mapping[str, bytes],
    plan: str = "",
    partial: bool = False,
) -> str:
    """The text that a run's commit and tag carry.

    Args:
        run: The run's id.
        title: The first line; control characters and line ends are taken out.
        evalset: Name of the eval set.
        evalset_content: Its content hash.
        n: Number of examples.
        columns: What each column was.
        scores: Means worth reading in the tag; one that is not a finite number is left out.
        results: The result files, for their SHA-256.
        plan: Digest of the plan, by which the same work is known again.
        partial: The run was stopped before all its cells had an outcome.
    """
    lines = [
        f"Format: {FORMAT}",
        f"Run: {run}",
        f"State: {'partial' if partial else 'complete'}",
        f"Evalset: {quote(evalset)}@{quote(evalset_content)} n={n}",
        *(_column_words(column) for column in columns),
        *(score_words(score) for score in scores if math.isfinite(score.mean)),
        *(f"Results: {quote(name)} sha256={hashlib.sha256(data).hexdigest()}" for name, data in results.items()),
        *([f"Plan: {quote(plan)}"] if plan else []),
        f"Tool: promptlab {quote(__version__)}",
    ]
    head = plain(title) or f"run {run}"
    return f"{head}\n\n" + "".join(f"Promptlab-{line}\n" for line in lines)


def parse(text: str, *, tag: str, commit: str, time: int) -> RunRecord | None:
    """What ``message`` wrote, or None when the text is not of that form: a tag of somebody else's, or a damaged one.

    Args:
        text: The tag's message, without a signature.
        tag: The tag's name, ``run/<subject>/<id>``.
        commit: The snapshot commit.
        time: Tagger time.
    """
    name = TAG.fullmatch(tag)
    title, lines = _parts(text)
    head = _HEAD.match(lines)
    if name is None or head is None or head["run"] != name["run"]:
        return None
    columns, scores = _COLUMN.findall(lines), _SCORE.findall(lines)
    if len(columns) != lines.count("\nPromptlab-Variant:") or len(scores) != lines.count("\nPromptlab-Score:"):
        return None
    plan = _PLAN.search(lines)
    try:
        return RunRecord(
            id=name["run"],
            subject=name["subject"],
            tag=tag,
            commit=commit,
            time=time,
            title=plain(title),
            evalset=unquote(head["evalset"]),
            evalset_content=unquote(head["content"]),
            n=int(head["n"]),
            columns=tuple(_column(words) for words in columns),
            scores=tuple(_score(*words) for words in scores),
            partial=head["state"] == "partial",
            plan=unquote(plan[1]) if plan else "",
        )
    except ValueError:
        return None


def read(text: str) -> tuple[str, dict[str, list[str]]]:
    """A message's title, and its trailers by their whole key: one line of words for each."""
    title, paragraph = _parts(text)
    lines: dict[str, list[str]] = {}
    for line in paragraph.split("\n"):
        key, _, words = line.partition(": ")
        lines.setdefault(key, []).append(words)
    return title, lines


def _parts(text: str) -> tuple[str, str]:
    """A message's title, and the lines of its last paragraph that can be trailers of ours."""
    title, _, body = text.strip().partition("\n\n")
    lines = body.rpartition("\n\n")[2].replace("\r", "")
    return title, lines if _is_plain(lines) else "\n".join(filter(_is_plain, lines.split("\n")))


def _is_plain(text: str) -> bool:
    return not text.encode("ascii", "replace").translate(None, _PLAIN)


def _column_words(column: ColumnLine) -> str:
    return (
        f"Variant: {quote(column.column)} prompt={quote(column.prompt)}@{quote(column.content)}"
        f" version={quote(column.version)} model={quote(column.model)} identity={quote(column.identity)}"
        f"{f' set={quote(column.set)}' if column.set else ''}"
    )


def score_words(score: ScoreLine) -> str:
    """A mean as the words of a trailer."""
    se = "" if score.se is None or not math.isfinite(score.se) else f" se={score.se:.6g}"
    missing = f" missing={score.missing}" if score.missing else ""
    return f"Score: {quote(score.column)} {quote(score.metric)}={score.mean:.6g} n={score.n}{se}{missing}"


def _column(words: tuple[str, ...]) -> ColumnLine:
    return ColumnLine(*(map(unquote, words) if "=" in "".join(words) else words))


def _score(column: str, metric: str, mean: str, n: str, se: str, missing: str) -> ScoreLine:
    if "=" in column or "=" in metric:
        column, metric = unquote(column), unquote(metric)
    value, error = float(mean), float(se) if se else None
    if not math.isfinite(value + (error or 0.0)):
        raise ValueError(mean)
    return ScoreLine(column, metric, value, int(n), error, int(missing) if missing else 0)


def pair(word: str) -> tuple[str, str]:
    """``name@content``: the content is a hash, so the last ``@`` divides them."""
    name, _, content = word.rpartition("@")
    return unquote(name), unquote(content)


def quote(text: str) -> str:
    """A text as one word of a trailer."""
    return _UNSAFE.sub(lambda found: b"=%02X" % found[0][0], text.encode("utf-8", "replace")).decode()


def unquote(word: str) -> str:
    """The text that ``quote`` made a word of."""
    if "=" not in word:
        return word
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), word.encode()).decode("utf-8", "replace")
