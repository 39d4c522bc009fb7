"""What people said of answers: ``reviews/<evalset>.jsonl``, one line a review, only ever appended to.

A line never changes, so two branches that both reviewed merge by keeping the lines of both (``merge=union``), and a
line that is there twice is one review. Taking a review back is a line of its own.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from promptlab.errors import InvalidFile, Problem, StorageFault
from promptlab.workspace.identity import examples_hash
from promptlab.workspace.names import is_name
from promptlab.workspace.toml import decode, shown
from promptlab.workspace.values import Example

FOLDER = "reviews"
ATTRIBUTES = "*.jsonl merge=union text eol=lf\n"
Kind = Literal["thumb", "grade", "pairwise", "correction", "note", "retract"]


class Review(Struct, frozen=True, omit_defaults=True):
    """One thing that one person said of one answer, or of two.

    Attributes:
        id: Its own, 16 hex digits; a ``retract`` has in ``takes_back`` the one that it takes back.
        by: Who.
        at: When, as UTC: ``2026-11-22T01:45:00Z``.
        example: The example's id; ``content`` the hash of all of it: a changed example is another question.
        answer: Hash of the answer's text.
        against: Of a pair, hash of the other answer's text.
        value: 1 or 0 of a thumb; the grade; of a pair 1 where ``answer`` is better, 0 where ``against`` is, 0.5 for
            a tie.
        metric: The judge metric whose question was answered, or "" for the answer as a whole.
        text: A corrected answer, or a note.
    """

    id: str
    kind: Kind
    by: str
    at: str
    example: str = ""
    content: str = ""
    answer: str = ""
    against: str = ""
    value: float | None = None
    metric: str = ""
    text: str = ""
    takes_back: str = ""


_decoder = msgspec.json.Decoder(Review)


def new_id() -> str:
    """An id that no other review has."""
    return secrets.token_hex(8)


def answer_hash(text: str) -> str:
    """What an answer is known by, whichever run it came from: 12 hex digits."""
    return sha256(text.strip().encode("utf-8", "replace")).hexdigest()[:12]


def example_hash(example: Example) -> str:
    """The content of one example: 12 hex digits."""
    return examples_hash([example])


def file_of(evalset: str) -> str:
    """Where reviews of an eval set are, relative to the workspace.

    Raises:
        ValueError: The name cannot be a file's.
    """
    if not is_name(evalset):
        raise ValueError(f"“{evalset}” cannot be a file name")
    return f"{FOLDER}/{evalset}.jsonl"


def parse_reviews(data: bytes, source: str) -> list[Review]:
    """Every line of a file once, retractions included, in the order of the file.

    Raises:
        InvalidFile: With every line that is no review.
    """
    found: dict[str, Review] = {}
    problems: list[Problem] = []
    for number, line in enumerate(decode(data, source).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            review = _decoder.decode(line)
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as fault:
            hint = "Remove the marks of the merge." if line.startswith(("<<<<<<<", "=======", ">>>>>>>")) else ""
            problems.append(Problem(f"The line is no review: {shown(str(fault), 200)}.", source, number, hint=hint))
            continue
        found.setdefault(review.id, review)
    if problems:
        raise InvalidFile(*problems)
    return list(found.values())


def standing(reviews: Iterable[Review]) -> list[Review]:
    """Reviews that were not taken back, of each person's on one question the last.

    Several notes on one answer all stand.
    """
    known = list(reviews)
    gone = {review.takes_back for review in known if review.kind == "retract"}
    last: dict[tuple[str, ...], Review] = {}
    for review in sorted(known, key=lambda one: one.at):
        if review.kind == "retract" or review.id in gone:
            continue
        # The two answers of a pair may be named in either order.
        answers = tuple(sorted((review.answer, review.against)))
        own = review.id if review.kind == "note" else ""
        last[review.by, review.kind, review.example, review.content, *answers, review.metric, own] = review
    return list(last.values())


def not_yet(found: Iterable[Review], known: Iterable[Review]) -> list[Review]:
    """Those of some imported reviews that a file does not hold, each once: an import can be made again.

    What stands in the file is there already, whoever wrote it and when, and what was taken back stays taken back. A
    review whose place another one took meanwhile is new: the person changed their mind again. An id is made of what
    is said, so that two branches that import the same file hold the same reviews.
    """
    known = list(known)
    gone = {review.takes_back for review in known}
    ids = {review.id for review in known}
    there = {_said(review) for review in (*standing(known), *(one for one in known if one.id in gone))}
    fresh: list[Review] = []
    for review in found:
        said = _said(review)
        if said not in there:
            there.add(said)
            own = sha256(said).hexdigest()[:16]
            fresh.append(review if own in ids else msgspec.structs.replace(review, id=own))
    return fresh


def _said(review: Review) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(review, id="", at=""))


def append(root: Path, evalset: str, reviews: Sequence[Review]) -> None:
    """Write reviews behind those that are there. When this returns they are on disk.

    Args:
        root: The workspace's folder.
        evalset: Whose answers they are of.
        reviews: The lines to write.

    Raises:
        StorageFault: They cannot be written, or the file is a link to elsewhere.
    """
    path = root / file_of(evalset)
    data = b"".join(msgspec.json.encode(review) + b"\n" for review in reviews)
    try:
        _make_folder(root, path.parent)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                data = b"\n" + data  # an editor left the last line without an end
            left = memoryview(data)
            while left:
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as fault:
        raise StorageFault(f"{file_of(evalset)}: the review is not written: {fault.strerror or fault}.") from fault


def _make_folder(root: Path, folder: Path) -> None:
    if not folder.resolve().is_relative_to(root.resolve()):
        raise OSError(None, "the folder is a link to a place outside the workspace")
    folder.mkdir(parents=True, exist_ok=True)
    attributes = root / FOLDER / ".gitattributes"
    if not attributes.exists():
        attributes.write_text(ATTRIBUTES, encoding="utf-8")
