"""Evals: looking through examples, changing them and the settings, importing; the file stays the person's."""

from __future__ import annotations

import json
from pathlib import Path

import places
import pytest
from tui.golden import Golden, golden
from tui.sitting import NORMAL, WIDE, Sitting, sitting

from promptlab.lab import Lab
from promptlab.tui.screens.evals import EvalsScreen

__all__ = ["golden"]


def evals(here: Sitting) -> EvalsScreen:
    screen = here.app.screen
    assert isinstance(screen, EvalsScreen)
    return screen


@pytest.mark.parametrize("size", [WIDE, NORMAL], ids=["120x40", "80x24"])
async def test_full_wrong_and_empty(folder: Path, golden: Golden, size: tuple[int, int]) -> None:
    name = f"{size[0]}x{size[1]}"
    file = folder / "evalsets" / "tickets.toml"
    file.write_text(
        file.read_text() + '[[examples]]\nid = "t9"\nvars = { ticket = "I was CHARGED  twice." }\nexpected = "[/]"\n'
    )
    (folder / "evalsets" / "other.toml").write_text('examples = "none.jsonl"\n')
    async with sitting(folder, size) as here:
        await here.sees("main*2")
        await here.press("6", "G")
        await here.sees("t1 asks the same: it counts twice.")
        golden(f"full-{name}", here.lines)
        await here.press("p", "k", "enter")
        await here.sees("other does not load")
        golden(f"error-{name}", here.lines)
        for each in file.parent.iterdir():
            each.unlink()
        await here.sees("n creates one")
        await here.sees("main*1")
        golden(f"empty-{name}", here.lines)
        await here.press("n")
        await here.type("fresh")
        await here.press("enter")
        await here.sees("created evalsets/fresh.toml")
        await here.sees("What is the capital of France?")


async def test_it_shows_what_the_prompt_is_run_over_and_so_does_history(folder: Path) -> None:
    (folder / "evalsets" / "own.toml").write_text(places.evalset_text())
    (folder / "prompts" / "other.toml").write_text(f'evalset = "own"\n{places.SECOND}')
    places.git(folder, "add", "-A")
    places.git(folder, "commit", "-qm", "Another prompt")
    async with sitting(folder) as here:
        await here.until(lambda: here.app.session.prompt == "other")
        await here.press("6")
        await here.sees("Evals own")
        await here.press("p", "down", "enter")
        await here.sees("Evals tickets")
        await here.press("5", "6")
        await here.sees("Evals tickets")
        await here.press("5")
        await here.sees("Another prompt")
        await here.press("r")
        await here.sees("8 on own = 8 answers")
        await here.press("escape", "right_square_bracket", "6")
        await here.sees("Evals tickets")
        await here.press("5", "left_square_bracket", "6")
        await here.sees("Evals own")


async def test_change_add_delete_tag_and_undo(folder: Path) -> None:
    file = folder / "evalsets" / "tickets.toml"
    before = file.read_text().replace('id = "t1"', 'id = "t1"   # the first')
    file.write_text(before)
    async with sitting(folder) as here:
        await here.press("6")
        await here.sees("t8")
        await here.press("enter")
        await here.sees("Example t1")
        await here.type(" Twice!")
        await here.press("escape")
        await here.sees("What you typed here is not saved.")
        await here.press("enter", "down", "backspace", "ctrl+s")
        await here.sees("changed t1. u takes it back.")
        text = before.replace("charged twice.", "charged twice. Twice!").replace(
            'expected = "billing"', 'expected = "billin"', 1
        )
        assert file.read_text() == text
        await here.press("a")
        await here.sees("New example of tickets")
        await here.type("New one")
        await here.press("ctrl+s")
        await here.sees("added t9")
        assert evals(here).table.row_key == "t9"
        assert file.read_text().endswith('[[examples]]\nid = "t9"\nvars = { ticket = "New one" }\n')
        await here.press("k", "space", "space")
        await here.sees("2 marked")
        await here.press("t")
        await here.type("+new")
        await here.press("enter")
        await here.sees("tagged 2 examples")
        await here.press("D")
        await here.sees("Delete 2 examples?")
        await here.press("enter")  # Cancel has the focus
        assert evals(here).table.row_count == 9
        await here.press("D", "D")
        await here.sees("deleted 2 examples")
        assert evals(here).table.row_count == 7
        for left in (9, 9, 8):
            await here.press("u", "U")
            await here.until(lambda left=left: evals(here).table.row_count == left)
            await here.until(lambda: "has the text that it had" in here.status)
        assert file.read_text() == text


async def test_filter_splits_settings_and_commit(folder: Path) -> None:
    async with sitting(folder) as here:
        await here.press("6")
        await here.sees("t8")
        await here.press("slash")
        await here.type("tag:shipping")
        await here.press("enter")
        await here.sees("3 of 8 examples")
        await here.press("s")
        await here.type("dev")
        await here.press("enter")
        await here.sees("split 3 examples")
        await here.press("escape")
        await here.sees("8 examples · no split 5 · dev 3")
        evals(here).settings_table.focus()
        await here.press("down", "down", "enter")
        await here.sees("min_effect: the smallest difference")
        await here.type("0.05")
        await here.press("enter")
        await here.sees("changed min_effect")
        await here.press("a")
        await here.type("exakt")
        await here.press("enter")
        await here.sees("Did you mean `exact`?")
        await here.press("escape", "L")
        await here.until(lambda: isinstance(here.app.screen, EvalsScreen))
        await here.press("home", "enter")
        await here.sees("description: what it is for")
        await here.press("right")
        await here.type("!")
        await here.press("enter")
        await here.sees("changed description")
        text = (folder / "evalsets" / "tickets.toml").read_text()
        assert 'description = "Eight tickets!"\n' in text
        assert "min_effect = 0.05\n" in text
        await here.press("c")
        await here.sees("Commit evalsets/tickets.toml")
        await here.press("ctrl+s")
        await here.sees("committed")
        assert "Edit evalsets/tickets.toml" in places.git(folder, "log", "-1")


async def test_a_thousand_examples_and_an_import(folder: Path) -> None:
    lines = [json.dumps({"id": f"n{at:04}", "vars": {"ticket": f"Ticket {at}"}}) + "\n" for at in range(1_000)]
    (folder / "evalsets" / "many.jsonl").write_text("".join(lines))
    (folder / "evalsets" / "many.toml").write_text('# All.\nexamples = "many.jsonl"\n')
    (folder / "more.csv").write_text("ticket,expected,mood\nTicket 7,billing,\nOne more,other,sad\n")
    async with sitting(folder) as here:
        await here.press("6")
        await here.sees("t8")
        await here.press("p", "k", "enter")
        await here.sees("1000 examples")
        await here.press("i")
        await here.type("more.csv")
        await here.press("enter")
        await here.sees("2 examples of more.csv would be added.")
        await here.sees("1 ask the same as another example")
        await here.sees("Variables that no example has so far: mood.")
        await here.press("N")
        await here.sees("imported 1 example. u takes it back.")
        await here.press("G")
        assert evals(here).table.row_key == "n1001"
        assert len(list(here.app.screen.walk_children())) < 150
    examples = Lab.open(folder).evalset("many").examples
    assert (examples[-1].vars, examples[-1].expected) == ({"ticket": "One more", "mood": "sad"}, "other")


async def test_without_git_nothing_can_be_committed(tmp_path: Path) -> None:
    folder = places.workspace(tmp_path / "shop")
    (folder / ".git").rename(tmp_path / "elsewhere")
    async with sitting(folder) as here:
        await here.sees("shop  no git")
        for key in ("1", "4", "5", "6"):
            await here.press(key)
            await here.until(lambda: "help" in here.lines[-1] and "c commit" not in here.lines[-1])
