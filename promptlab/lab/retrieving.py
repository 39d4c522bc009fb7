"""What the steps of chains find in corpora: by their words, or by vectors that an embedding model gives.

Both are made once for each content and kept in the person's cache: an index by the digest of its corpus, a vector by
its text and the identity of its model.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from promptlab.errors import PromptlabError
from promptlab.lab.embedding import embed_texts
from promptlab.models.cache import Cache, default_folder
from promptlab.models.values import Model
from promptlab.runs.chains.work import Counted, Lookup, NotEmbedded, failed
from promptlab.runs.progress import Meter
from promptlab.scoring.families.meaning import Vector
from promptlab.workspace.corpora import Corpora, Index, Passage, handed_on, index_of
from promptlab.workspace.values import Retrieve

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]

_FORMAT = 1
"""Of an index on disk: another one is made anew."""

_WORTH_KEEPING = 2_000
"""Passages from which an index takes longer to make than to read."""

_MOST_KEPT = 20
"""Indexes that are kept on disk; the ones that were used longest ago go."""


class Passages:
    """Searches in the corpora of one run.

    Args:
        corpora: Where the passages are from.
        model_of: Gives the model of a name of promptlab.toml.
        cache: Of vectors.
        meter: Of what the run may spend.
        folder: Where indexes are kept.
    """

    def __init__(
        self,
        corpora: Corpora,
        model_of: Callable[[str], Model],
        cache: Cache | None,
        meter: Meter,
        folder: Path | None = None,
    ) -> None:
        self._corpora = corpora
        self._model_of = model_of
        self._cache = cache
        self._meter = meter
        self._folder = (folder or default_folder()) / "indexes"
        self._indexes: dict[tuple[str, int, int], Index] = {}
        self._vectors: dict[str, dict[str, Vector]] = {}
        self._faults: dict[str, dict[str, str]] = {}
        self._matrices: dict[tuple[str, str, int, int], Matrix] = {}

    def find(self, rule: Retrieve, query: str) -> list[dict[str, object]]:
        """The passages nearest to a query, best first.

        Raises:
            NotEmbedded: ``embed`` has not been asked for this search.
            StepFailed: A text cannot be embedded.
            PromptlabError: The corpus cannot be read.
        """
        passages = self._corpora.passages(rule)
        if rule.method == "embedding":
            return handed_on(self._by_vectors(rule, query, passages))
        found = self._index(rule, passages).nearest(query, rule.k)
        return handed_on((passages[place], score) for place, score in found)

    async def embed(self, lookups: Sequence[Lookup], stop: asyncio.Event, told: Counted) -> bool:
        """Get the vectors of the passages and queries of searches, each text once; False where it ended early."""
        for name in dict.fromkeys(rule.model for rule, _ in lookups):
            wanted = [(rule, query) for rule, query in lookups if rule.model == name]
            passages = [one.text for rule, _ in wanted for one in self._corpora.passages(rule)]
            vectors, faults = self._vectors.setdefault(name, {}), self._faults.setdefault(name, {})
            texts = dict.fromkeys([*passages, *(query for _, query in wanted)])
            new = [text for text in texts if text not in vectors and text not in faults]
            try:
                async for done in embed_texts(self._model_of(name), new, self._cache, vectors, faults, self._meter):
                    told(done, len(new))
                    if stop.is_set():
                        return False
            except PromptlabError as fault:
                faults.update(dict.fromkeys(new, str(fault)))
            if not all(text in vectors or text in faults for text in new):
                return False  # a limit is reached
        return True

    def _by_vectors(self, rule: Retrieve, query: str, passages: Sequence[Passage]) -> list[tuple[Passage, float]]:
        """The passages with the largest cosines; equal ones in the order of the corpus."""
        import numpy as np

        vectors, faults = self._vectors.get(rule.model, {}), self._faults.get(rule.model, {})
        for text in (query, *(one.text for one in passages)):
            if text in faults:
                what = "The query" if text == query else "A passage of the corpus"
                raise failed(f"{what} cannot be embedded: {faults[text]}")
            if text not in vectors:
                raise NotEmbedded(rule, query)
        key = (rule.model, rule.corpus, rule.words, rule.overlap)
        if key not in self._matrices:
            rows = [vectors[one.text] for one in passages]
            self._matrices[key] = np.array(rows, dtype=np.float32).reshape(len(rows), -1)
        cosines = self._matrices[key] @ np.array(vectors[query], dtype=np.float32)
        best = np.argsort(-cosines, kind="stable")[: rule.k]
        return [(passages[place], float(cosines[place])) for place in best.tolist()]

    def _index(self, rule: Retrieve, passages: Sequence[Passage]) -> Index:
        key = (rule.corpus, rule.words, rule.overlap)
        if key not in self._indexes:
            self._indexes[key] = self._kept(rule, passages)
        return self._indexes[key]

    def _kept(self, rule: Retrieve, passages: Sequence[Passage]) -> Index:
        """The index from the disk, or made now and put there; a disk that cannot be used is none."""
        if len(passages) < _WORTH_KEEPING:
            return index_of(passages)
        what = f"{_FORMAT} {self._corpora.corpus(rule.corpus).digest} {rule.words} {rule.overlap}"
        path = self._folder / f"{sha256(what.encode()).hexdigest()[:24]}.msgpack"
        with suppress(OSError, msgspec.DecodeError):
            found = msgspec.msgpack.decode(path.read_bytes(), type=Index)
            if len(found.lengths) == len(passages):
                os.utime(path)
                return found
        index = index_of(passages)
        with suppress(OSError):
            self._keep(path, index)
        return index

    def _keep(self, path: Path, index: Index) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.msgpack.encode(index))
        os.replace(new, path)
        kept = sorted(self._folder.glob("*.msgpack"), key=lambda one: one.stat().st_mtime, reverse=True)
        for old in kept[_MOST_KEPT:]:
            old.unlink(missing_ok=True)
