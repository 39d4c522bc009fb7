"""Memory that nothing needs is looked for while nobody types, and before the program is slow or big without it."""

from __future__ import annotations

import gc
import sys
import time
import weakref
from collections.abc import Iterator

import pytest

from promptlab.tui import sweeping
from promptlab.tui.session import Session
from promptlab.tui.sweeping import LATEST, Sweeper, wait_for_quiet


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    found = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*found)


class Knot:
    """What only a look through all memory finds to be of no use."""

    def __init__(self) -> None:
        self.itself = self


def old_knot() -> weakref.ref[Knot]:
    knot = Knot()
    gc.collect(1)  # it has got through the looks at what is new
    gc.collect(1)
    return weakref.ref(knot)


def session(touched: float) -> Session:
    found = Session(lambda: None, lambda _: None, lambda: None)
    found.touched = touched
    return found


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python goes through memory in small steps by itself")
def test_python_does_not_do_it_by_itself_but_at_last() -> None:
    young, old, _ = gc.get_threshold()
    wait_for_quiet()
    assert gc.get_threshold() == (young, old, LATEST)


def test_it_is_done_when_nobody_types_and_not_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "WORTH", 0)
    monkeypatch.setattr(sweeping, "EVERY", 0.2)
    wait_for_quiet()
    typing = session(time.monotonic())
    sweeper = Sweeper(typing)
    time.sleep(0.25)
    knot = old_knot()
    sweeper.look()
    assert knot() is not None
    typing.touched = time.monotonic() - sweeping.QUIET
    sweeper.look()
    assert knot() is None
    knot = old_knot()
    sweeper.look()
    assert knot() is not None
    time.sleep(0.25)
    sweeper.look()
    assert knot() is None


def test_it_is_not_done_where_nothing_much_happened() -> None:
    wait_for_quiet()
    gc.collect()
    sweeper = Sweeper(session(0.0))
    sweeper._swept -= sweeping.EVERY
    knot = old_knot()
    sweeper.look()
    assert knot() is not None
