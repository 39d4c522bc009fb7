"""The table of actions: every key can be found by its name, and the page of keys says what the program does."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from promptlab.tui.actions import ACTIONS

ROOT = Path(__file__).parents[2]
MOVES = {"down", "up", "half_down", "half_up", "page_down", "page_up", "first", "last", "open", "start", "end"}
NOT_IN_THE_PALETTE = {"app.palette", "app.help_anywhere", "app.interrupt"}
"""The palette itself, the second key of the help, and a key that only says which key to press."""


def test_every_action_but_moves_is_in_the_palette() -> None:
    left_out = {one.id for actions in ACTIONS.values() for one in actions if not one.group}
    assert {name for name in left_out - NOT_IN_THE_PALETTE if name.partition(".")[2] not in MOVES} == set()


def test_the_page_of_keys_is_current() -> None:
    made = runpy.run_path(str(ROOT / "tools" / "keys.py"))["page"]()
    assert (ROOT / "docs" / "keys.md").read_text(encoding="utf-8") == made, "run: python tools/keys.py"


def test_the_page_of_screens_names_keys_that_there_are() -> None:
    text = (ROOT / "docs" / "screens.md").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    parts = {part.partition("\n")[0]: part for part in re.split(r"^## ", text, flags=re.MULTILINE)}
    tables = {part.partition("\n")[0]: part for part in re.split(r"^## ", page, flags=re.MULTILINE)}
    shared = "".join(table for title, table in tables.items() if not title[:1].isdigit())
    for title, part in parts.items():
        own = tables.get(title, "" if title[:1].isdigit() else page)
        for key in re.findall(r"`(ctrl\+.|Enter|.)`", part):
            assert f"`{ {'Enter': '⏎'}.get(key, key) }`" in own + shared, f"{title}: no action has the key {key}"
