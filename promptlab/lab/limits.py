"""What runs may take, as a person says it in a line: ``cost 2, minutes 10, at once 8``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from promptlab.errors import UsageFault
from promptlab.runs.values import UNLIMITED, Budget

_PART = re.compile(r"(cost|tokens|minutes|at once)\s*=?\s*(\S+)")
NONE = "none"


class Limits(Struct, frozen=True):
    """Of one run: what it may spend, and how many requests are in flight at most.

    Attributes:
        most: At each endpoint; None: as many as it takes. 0 pauses.
    """

    budget: Budget = UNLIMITED
    most: int | None = None

    @property
    def words(self) -> str:
        """As :func:`parse_limits` reads them; ``none`` without any."""
        budget = self.budget
        named = (
            ("cost", budget.cost),
            ("tokens", budget.tokens),
            ("minutes", budget.minutes),
            ("at once", self.most),
        )
        return ", ".join(f"{name} {value:g}" for name, value in named if value is not None) or NONE


def in_one_currency(budget: Budget, currencies: Mapping[str, str], asked: Iterable[str]) -> None:
    """Make sure that a limit of cost says of what: what models cost is not summed over currencies.

    Args:
        currencies: Of models with a price, by their names.
        asked: Names of the models that a run asks.

    Raises:
        UsageFault: Cost is limited, and the models that are asked are priced in several.
    """
    different = sorted({currencies[name] for name in asked if name in currencies})
    if budget.cost is not None and len(different) > 1:
        raise UsageFault(
            f"A limit of cost ({budget.cost:g}) cannot be kept: the models of this run are priced in "
            f"{' and '.join(different)}. Limit tokens or minutes instead, or give their prices in one currency."
        )


def parse_limits(text: str) -> Limits:
    """Limits as they are typed: any of ``cost 2``, ``tokens 5000``, ``minutes 10``, ``at once 8``, or ``none``.

    Raises:
        UsageFault: It is something else.
    """
    if text.strip().lower() == NONE:
        return Limits()
    found: dict[str, float] = {}
    for part in filter(None, (one.strip().lower() for one in text.split(","))):
        match = _PART.fullmatch(part)
        if match is None:
            raise UsageFault(f"“{part}”: expected cost, tokens, minutes or at once with a number, such as cost 2.")
        found[match[1]] = _number(match[1], match[2])
    if not found:
        raise UsageFault("Say at least one limit, or none.")
    tokens, most = found.get("tokens"), found.get("at once")
    return Limits(
        Budget(found.get("cost"), None if tokens is None else int(tokens), found.get("minutes")),
        None if most is None else int(most),
    )


def _number(name: str, text: str) -> float:
    whole = name in ("tokens", "at once")
    least = "at least 0" if name == "at once" else "above 0"
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    fits = math.isfinite(value) and (value >= 0 if name == "at once" else value > 0)
    if not fits or (whole and value != int(value)):
        raise UsageFault(f"{name} {text}: expected a {'whole number' if whole else 'number'} {least}.")
    return value


def hold(journals: Path, run: str, limits: Limits) -> None:
    """Have a run that is going on, here or in another process, keep to other limits; it hears within half a second.

    Raises:
        NotFound: There is no such run in the journal.
        UsageFault: It is not running.
        StorageFault: The word cannot be written.
    """
    from promptlab.runs.control import Control, tell  # the screens know limits before they have read a run

    tell(journals, run, Control(most=limits.most, budget=limits.budget))
