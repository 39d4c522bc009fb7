"""The next sitting goes on where the last one was, with what was typed and not saved."""

from __future__ import annotations

from pathlib import Path

from tui.runs_made import finished
from tui.sitting import Sitting as Here
from tui.sitting import sitting

from promptlab.lab import Lab
from promptlab.lab.reviewing import reviews_of
from promptlab.lab.sittings import Draft, Seat, Sitting


async def test_what_was_left_is_here_again_until_it_is_saved(folder: Path) -> None:
    file = folder / "prompts" / "triage.toml"
    text = file.read_text()
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("e")
        await here.type("Hey")
        await here.press("ctrl+q")
        await here.sees("Not saved: triage. Q keeps it as a draft that is here again next time; D discards it.")
        await here.press("Q")
        await here.until(lambda: here.app.return_value == 0)
    assert file.read_text() == text
    async with sitting(folder) as here:
        await here.until(lambda: "Brought back the unsaved text of triage, typed just now." in here.status)
        await here.sees("HeyLabel this")
        await here.sees("edited")
        await here.press("e", "ctrl+z")
        await here.until(lambda: "Hey" not in here.text)
        await here.press("ctrl+y", "ctrl+s")
        await here.sees("saved prompts/triage.toml")
        assert file.read_text() == text.replace("Label this", "HeyLabel this")
        await here.press("ctrl+q")
        await here.until(lambda: here.app.return_value == 0)
    assert Sitting(Lab.open(folder)).left(lambda _: True) == []


async def test_a_text_that_a_kill_left_meets_what_changed_in_the_file_since(folder: Path) -> None:
    lab = Lab.open(folder)
    file = lab.read_file("triage")
    killed = Sitting(lab)
    killed.keep([Draft("triage", file.text.replace("Label", "Mark"), file.stamp, 1_700_000_000)])
    killed.sit(Seat("evals", "triage", "tickets"))
    killed.close()
    (folder / "prompts" / "triage.toml").write_text(file.text.replace("Label", "Tag"))
    async with sitting(folder) as here:
        await here.until(lambda: here.app.current_mode == "evals")
        await here.sees("t8")
        await here.press("1")
        await here.sees("Mark this as billing")
        await here.press("e", "ctrl+s")
        await here.sees("was changed by another program")
        await here.press("escape", "ctrl+q")
        await here.sees("Not saved: triage.")
        await here.press("D")
        await here.until(lambda: here.app.return_value == 0)
    assert Sitting(lab).left(lambda _: True) == []


async def test_an_open_form_is_open_again_with_what_was_typed(folder: Path) -> None:
    file = folder / "evalsets" / "tickets.toml"
    before = file.read_text()
    async with sitting(folder) as here:
        await here.press("6")
        await here.sees("t8")
        await here.press("enter")
        await here.sees("Example t1")
        await here.type(" Twice!")
        await here.press("ctrl+q")
        await here.sees("Not saved: the form of t1. Q keeps it as a draft")
        await here.press("Q")
        await here.until(lambda: here.app.return_value == 0)
    lab = Lab.open(folder)
    killed = Sitting(lab)  # while it had the form of an example open that somebody has deleted since
    killed.keep([Draft("tickets", "", "", 1_700_000_000, "example", "t77", {"vars.ticket": "Kept", "vars.new": "?"})])
    killed.close()
    file.write_text(before.replace('expected = "billing"', 'expected = "other"', 1))
    async with sitting(folder) as here:
        await here.sees("charged twice. Twice!")
        assert "Brought back the form of t1, the form of t77" in here.status
        await here.press("ctrl+s")
        await here.sees("New example of tickets")
        await here.sees("Kept")
        await here.press("ctrl+s")
        await here.sees("added t9")
        await here.press("ctrl+q")
        await here.until(lambda: here.app.return_value == 0)
    after = before.replace('expected = "billing"', 'expected = "other"', 1).replace("twice.", "twice. Twice!")
    assert file.read_text() == after + '[[examples]]\nid = "t9"\nvars = { ticket = "Kept", new = "?" }\n'
    assert Sitting(lab).left(lambda _: True) == []


async def test_a_line_of_the_settings_and_a_correction_outlive_a_kill(folder: Path) -> None:
    async def killed(here: Here) -> None:
        """As after kill -9: what is on disk by then is all that there is."""
        kept = list(here.app.session.keeping.forms.values())
        await here.until(lambda: here.app.session.keeping._kept == kept)
        here.app.session.keeping._sitting = None

    await finished(folder)
    async with sitting(folder) as here:
        await here.press("8")
        await here.sees("Which answer is better?")
        await here.press("m")
        await here.sees("Is the answer right?")
        await here.press("s", "e")
        await here.sees("The right answer")
        case = next(line for line in here.lines if "The right answer" in line)
        await here.type(" Or so.")
        await killed(here)
    async with sitting(folder) as here:
        await here.sees("Or so.")
        assert case in here.lines, "the same case, though it was skipped"
        await here.press("ctrl+s")
        await here.until(lambda: here.status == "correction stored")
        await here.press("6")
        await here.sees("t8")
        here.app.screen.query_one("#settings").focus()
        await here.press("w")
        await here.sees("A metric, margin or ratio")
        await here.type("exact margin 0.")
        await killed(here)
    file = folder / "evalsets" / "tickets.toml"
    other = '[decision]\nguardrails = [{ metric = "contains", margin = 0.1 }]\n'
    file.write_text(file.read_text().replace("[decision]\n", other))
    async with sitting(folder) as here:
        await here.sees("exact margin 0.")
        await here.type("03")
        await here.press("enter")
        await here.until(lambda: here.status.startswith("changed guardrail"))
        assert here.app.session.keeping.forms == {}
    lab = Lab.open(folder)
    assert [rail.metric for rail in lab.evalset("tickets").decision.guardrails] == ["contains", "exact"]
    (said,) = reviews_of(lab, "tickets")
    assert (said.kind, said.text[-7:], said.against) == ("correction", " Or so.", ""), "one answer was shown, no pair"
