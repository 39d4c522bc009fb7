"""Metrics of meaning: what an embedding model says of the answers of a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from promptlab.errors import ModelFault
from promptlab.lab.unscored import Unscored, add, outcome_of, unscored
from promptlab.lab.values import CellScored
from promptlab.models.cache import Cache
from promptlab.models.values import Embedding, Model
from promptlab.runs.progress import Meter
from promptlab.runs.values import ModelLoading, Progress
from promptlab.scoring.families.meaning import MEANINGS, Compared, Vector, nearness
from promptlab.scoring.metric import Case, Missing
from promptlab.scoring.values import Score
from promptlab.workspace.values import MetricSpec

if TYPE_CHECKING:
    from promptlab.lab.table import RunTable

AT_ONCE = 32
"""Texts that a model is given together: what is known of them is kept, and shown, before the next ones."""


class Embedded:
    """A metric of meaning, and the model that embeds for it."""

    def __init__(self, spec: MetricSpec, model: Model) -> None:
        self.spec = spec
        self.model = model

    async def scores(
        self, table: RunTable, cache: Cache | None, stop: asyncio.Event, meter: Meter
    ) -> AsyncGenerator[CellScored | ModelLoading | Progress, None]:
        """Score every answer that has no such score yet. Equal texts are embedded once.

        Where ``meter`` says that a limit is reached, answers whose texts are not embedded yet are left without.
        """
        waiting: list[tuple[Unscored, Compared]] = []
        for cell in list(unscored(table, self.spec)):
            try:
                waiting.append((cell, self._compared(table, cell)))
            except Missing as reason:
                yield self._add(table, cell, str(reason))
        texts = list(dict.fromkeys(text for _, compared in waiting for text in _texts(compared)))
        if not texts:
            return
        yield ModelLoading(self.model.name)
        vectors: dict[str, Vector] = {}
        faults: dict[str, str] = {}
        async for done in embed_texts(self.model, texts, cache, vectors, faults, meter):
            yield Progress(total=len(texts), done=done, model=self.model.name)
            if stop.is_set():
                return
        for at, (cell, compared) in enumerate(waiting):
            if at % AT_ONCE == 0:
                await asyncio.sleep(0)  # the screen's turn
            fault = next((faults[text] for text in _texts(compared) if text in faults), "")
            if fault or all(text in vectors for text in _texts(compared)):
                yield self._add(table, cell, fault, 0.0 if fault else nearness(compared, vectors))

    def _compared(self, table: RunTable, cell: Unscored) -> Compared:
        if cell.answer.missing:
            raise Missing(cell.answer.missing)
        case = Case.of(self.spec, cell.example, outcome_of(cell), None)
        return MEANINGS[self.spec.id].compared(case, self._others(table, cell))

    def _others(self, table: RunTable, cell: Unscored) -> list[str]:
        """The answers of the other trials."""
        found = (
            table.outcome(cell.column, cell.example.id, trial) for trial in range(table.trials) if trial != cell.trial
        )
        return [one.text for one in found if one is not None and one.fault is None and one.stored]

    def _add(self, table: RunTable, cell: Unscored, missing: str, value: float = 0.0) -> CellScored:
        name = self.spec.name
        score = Score(name, missing=missing) if missing else Score(name, value)
        return add(table, cell.column, cell.example.id, cell.trial, score)


def _texts(compared: Compared) -> list[str]:
    return [*compared.said, *(text for group in compared.groups for text in group)]


async def embed_texts(
    model: Model,
    texts: Sequence[str],
    cache: Cache | None,
    vectors: dict[str, Vector],
    faults: dict[str, str],
    meter: Meter,
) -> AsyncGenerator[int, None]:
    """Fill in vectors, and why there is none for a text; gives how many texts are done.

    Less than all where ``meter`` says that a limit is reached: nothing further is asked for then.
    """
    if not isinstance(model, Embedding) or not model.capabilities.embeddings:
        reason = f"{model.name} gives no embeddings: name an embedding model"
        faults.update(dict.fromkeys(texts, reason))
        return
    try:
        identity = await asyncio.to_thread(lambda: model.identity)
    except ModelFault as fault:
        faults.update(dict.fromkeys(texts, str(fault)))
        return
    keys = {text: _key(identity, text) for text in texts}
    known = cache.vectors(keys.values()) if cache else {}
    vectors.update({text: known[key] for text, key in keys.items() if key in known})
    left = [text for text in texts if text not in vectors]
    for start in range(0, len(left), AT_ONCE):
        if meter.used_up(0):
            return
        some = left[start : start + AT_ONCE]
        found, wrong = await _some(model, some, meter)
        vectors.update(found)
        faults.update(wrong)
        if cache:
            cache.put_vectors({keys[text]: vector for text, vector in found.items()})
        if not found and len(some) > 1 and len(set(wrong.values())) == 1:
            faults.update(dict.fromkeys(left[start:], next(iter(wrong.values()))))  # it is the model, not the texts
            return
        yield len(texts) - len(left) + start + len(some)


async def _some(
    model: Embedding, texts: Sequence[str], meter: Meter
) -> tuple[Mapping[str, Vector], Mapping[str, str]]:
    """The vectors of some texts; where the model refuses them together, one by one, since one may be too long."""
    try:
        return dict(zip(texts, await model.embed(texts, meter.add_vectors), strict=True)), {}
    except ModelFault as fault:
        if len(texts) == 1:
            return {}, {texts[0]: str(fault)}
    found: dict[str, Vector] = {}
    wrong: dict[str, str] = {}
    for text in texts:
        one, why = await _some(model, [text], meter)
        found.update(one)
        wrong.update(why)
    return found, wrong


def _key(identity: str, text: str) -> str:
    return sha256(f"promptlab vector 1\n{identity}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()
