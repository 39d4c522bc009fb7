"""A local corpus for retrieval: its files, cut into passages, and the ones nearest to a query by BM25."""

from __future__ import annotations

import hashlib
import math
import os
import posixpath
import re
import unicodedata
from collections import Counter
from functools import lru_cache
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


class Index:
    """Passages by the words that they have, for BM25 (Robertson and Zaragoza, 2009; k1 = 1.2, b = 0.75).

    The weight of a word that is in n of N passages is log(1 + (N − n + ½) / (n + ½)), which is never below 0.
    """

    def __init__(self, found: tuple[Passage, ...]) -> None:
        self.passages = found
        counts = [Counter(_words(passage.text)) for passage in found]
        self._lengths = [sum(count.values()) for count in counts]
        self._mean = sum(self._lengths) / max(len(found), 1) or 1.0
        self._where: dict[str, list[tuple[int, int]]] = {}
        for place, count in enumerate(counts):
            for word, times in count.items():
                self._where.setdefault(word, []).append((place, times))

    def nearest(self, query: str, k: int) -> list[tuple[Passage, float]]:
        """The passages with the highest scores above 0, best first; equal ones in the order of the corpus."""
        scores: dict[int, float] = {}
        for word, times in Counter(_words(query)).items():
            having = self._where.get(word, [])
            weight = math.log(1 + (len(self.passages) - len(having) + 0.5) / (len(having) + 0.5))
            for place, count in having:
                norm = count + _K1 * (1 - _B + _B * self._lengths[place] / self._mean)
                scores[place] = scores.get(place, 0.0) + times * weight * count * (_K1 + 1) / norm
        best = sorted(scores, key=lambda place: (-scores[place], place))[:k]
        return [(self.passages[place], scores[place]) for place in best]


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


class Corpora:
    """The corpora of one workspace; each is read and indexed once for each content.

    Args:
        workspace: Whose files they are.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._read: dict[str, Corpus] = {}

    def corpus(self, path: str) -> Corpus:
        """A corpus as it is on disk the first time that it is asked for. Raises as :func:`read_corpus`."""
        if path not in self._read:
            self._read[path] = read_corpus(self._workspace, path)
        return self._read[path]

    def find(self, rule: Retrieve, query: str) -> list[dict[str, object]]:
        """The passages nearest to a query, as a step hands them on. Raises as :func:`read_corpus`."""
        index = _index(self.corpus(rule.corpus), rule.words, rule.overlap)
        return [
            {"text": passage.text, "source": passage.source, "at": passage.at, "score": round(score, 4)}
            for passage, score in index.nearest(query, rule.k)
        ]


@lru_cache(maxsize=8)
def _index(corpus: Corpus, words: int, overlap: int) -> Index:
    return Index(passages(corpus, words, overlap))
