"""A local corpus for retrieval: its files, cut into passages, and the ones nearest to a query by BM25."""

from __future__ import annotations

import hashlib
import math
import os
import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from promptlab.errors import InvalidFile, NotFound, Problem
from promptlab.workspace.folder import Workspace
from promptlab.workspace.toml import decode, shown
from promptlab.workspace.values import Retrieve

TEXTS = (".md", ".txt", ".rst", ".adoc")
"""Endings of the files of a folder that are read."""

_MOST_BYTES = 64_000_000
_K1, _B = 1.2, 0.75
_WORD = re.compile(r"\w+")


class Document(NamedTuple):
    """One text of a corpus. ``source`` is its path in the workspace, or ``path#id`` in a JSONL file."""

    source: str
    text: str


class Corpus(NamedTuple):
    """All texts of a corpus as they were read.

    Attributes:
        files: Paths relative to the workspace root.
        digest: 12 hex digits over paths and bytes.
    """

    documents: tuple[Document, ...]
    files: tuple[str, ...]
    digest: str


class Passage(NamedTuple):
    """Some words of a document, ``at`` the number of its first word, counted from 1."""

    source: str
    at: int
    text: str


class _Line(msgspec.Struct):
    id: str
    text: str


def read_corpus(workspace: Workspace, path: str) -> Corpus:
    """A folder of texts, or a JSONL file of ``{"id": …, "text": …}``.

    Raises:
        NotFound: There is none, it is empty, or it leads out of the workspace.
        InvalidFile: A file is not text, or a line is not what it has to be.
    """
    place = workspace.locate(path)
    files = _listed(workspace, path) if place.is_dir() else (path,)
    documents: list[Document] = []
    digest, size = hashlib.sha256(), 0
    for file in files:
        data = workspace.read(file)
        size += len(data)
        if size > _MOST_BYTES:
            raise NotFound(
                f"The corpus {shown(path, 200)} is larger than {_MOST_BYTES // 1_000_000} MB: name a part."
            )
        digest.update(f"{file}\0{len(data)}\0".encode() + data)
        documents += _lines(data, file) if file.endswith(".jsonl") else [Document(file, decode(data, file))]
    if not documents:
        raise NotFound(f"The corpus {shown(path, 200)} has no texts: put {', '.join(TEXTS)} files or a .jsonl there.")
    return Corpus(tuple(documents), tuple(files), digest.hexdigest()[:12])


def _listed(workspace: Workspace, path: str) -> tuple[str, ...]:
    """The texts below a folder. Linked folders and hidden files are not entered."""
    found: list[str] = []
    base = workspace.locate(path)
    for place, folders, names in os.walk(base):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = os.path.relpath(place, base).replace(os.sep, "/")
        found += [
            posixpath.normpath(posixpath.join(path, below, name))
            for name in sorted(names)
            if name.endswith((*TEXTS, ".jsonl")) and not name.startswith(".")
        ]
    return tuple(found)


def _lines(data: bytes, file: str) -> list[Document]:
    decoder = msgspec.json.Decoder(_Line)
    documents: list[Document] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            found = decoder.decode(line)
        except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as fault:
            hint = 'Write {"id": "…", "text": "…"} on each line.'
            message = f"This is no passage: {shown(str(fault), 120)}."
            raise InvalidFile(Problem(message, file, number, "", hint)) from None
        documents.append(Document(f"{file}#{found.id}", found.text))
    return documents


def passages(corpus: Corpus, words: int, overlap: int) -> tuple[Passage, ...]:
    """Every document cut into passages of so many words, each beginning with the last ones of the one before."""
    found: list[Passage] = []
    for document in corpus.documents:
        spans = [match.span() for match in re.finditer(r"\S+", document.text)]
        for start in range(0, max(len(spans) - overlap, 1), words - overlap):
            some = spans[start : start + words]
            if some:
                found.append(Passage(document.source, start + 1, document.text[some[0][0] : some[-1][1]]))
    return tuple(found)


class Index(msgspec.Struct, frozen=True):
    """Passages by the words that they have, for BM25 (Robertson and Zaragoza, 2009; k1 = 1.2, b = 0.75).

    The weight of a word that is in n of N passages is log(1 + (N − n + ½) / (n + ½)), which is never below 0.

    Attributes:
        lengths: Words of each passage.
        where: Word to the numbers of the passages that have it, and how often each does, one after the other.
    """

    lengths: list[int]
    where: dict[str, list[int]]

    def nearest(self, query: str, k: int) -> list[tuple[int, float]]:
        """The numbers of the passages with the highest scores above 0, best first; equal ones in their order."""
        mean = sum(self.lengths) / max(len(self.lengths), 1) or 1.0
        scores: dict[int, float] = {}
        for word, times in Counter(_words(query)).items():
            having = self.where.get(word, [])
            n = len(having) // 2
            weight = math.log(1 + (len(self.lengths) - n + 0.5) / (n + 0.5))
            for place, count in zip(having[::2], having[1::2], strict=True):
                norm = count + _K1 * (1 - _B + _B * self.lengths[place] / mean)
                scores[place] = scores.get(place, 0.0) + times * weight * count * (_K1 + 1) / norm
        best = sorted(scores, key=lambda place: (-scores[place], place))[:k]
        return [(place, scores[place]) for place in best]


def index_of(found: Sequence[Passage]) -> Index:
    """The index of passages."""
    lengths: list[int] = []
    where: dict[str, list[int]] = {}
    for place, passage in enumerate(found):
        counts = Counter(_words(passage.text))
        lengths.append(sum(counts.values()))
        for word, times in counts.items():
            where.setdefault(word, []).extend((place, times))
    return Index(lengths, where)


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


class Corpora:
    """The corpora of one workspace, or of an exported chain; each is read and cut once.

    Args:
        workspace: Whose files they are; None for one that has only what is given.
        given: Path to corpus.
    """

    def __init__(self, workspace: Workspace | None, given: Mapping[str, Corpus] | None = None) -> None:
        self._workspace = workspace
        self._read: dict[str, Corpus] = dict(given or {})
        self._cut: dict[tuple[str, int, int], tuple[Passage, ...]] = {}

    def corpus(self, path: str) -> Corpus:
        """A corpus as it is on disk the first time that it is asked for. Raises as :func:`read_corpus`."""
        if path not in self._read:
            if self._workspace is None:
                raise NotFound(f"The corpus {shown(path, 200)} is not in the exported file.")
            self._read[path] = read_corpus(self._workspace, path)
        return self._read[path]

    def passages(self, rule: Retrieve) -> tuple[Passage, ...]:
        """The passages that a step searches in. Raises as :func:`read_corpus`."""
        key = (rule.corpus, rule.words, rule.overlap)
        if key not in self._cut:
            self._cut[key] = passages(self.corpus(rule.corpus), rule.words, rule.overlap)
        return self._cut[key]


def handed_on(found: Iterable[tuple[Passage, float]]) -> list[dict[str, object]]:
    """Passages with their scores as a step hands them on."""
    return [
        {"text": passage.text, "source": passage.source, "at": passage.at, "score": round(score, 4)}
        for passage, score in found
    ]
