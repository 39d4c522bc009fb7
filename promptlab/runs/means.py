"""What a run is carried out with: models, where answers are kept, when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from promptlab.models.cache import Cache
from promptlab.models.values import Model
from promptlab.runs.journal import Journal
from promptlab.runs.progress import Meter

if TYPE_CHECKING:
    from promptlab.runs.chains.work import Grades


class Means(Struct, frozen=True):
    """Beside its plan all that a run needs.

    Attributes:
        models: Model name, as in the plan, to model.
        cache: Where answers are looked up and remembered; a ``fresh`` one has the models asked anew.
        journal: Of the plan, open. Good outcomes in it are never asked again.
        stop: When set, what is in flight is given up, all that arrived is kept, and the run ends as cancelled.
        currencies: Model name to the currency of its price; US dollars where it is not named.
        meter: Of what may be spent. Once it is used up nothing further is asked, what is under way comes to an end,
            and the run ends as partial.
        watched: Somebody wants to hear of answers while they are written.
        grades: What chains need of the rooms above; a plan without chains needs none.
    """

    models: Mapping[str, Model]
    cache: Cache
    journal: Journal
    stop: asyncio.Event
    currencies: Mapping[str, str] = {}
    meter: Meter = msgspec.field(default_factory=Meter)
    watched: bool = True
    grades: Grades | None = None
