"""The Results screen on runs that a real endpoint on the loopback address answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer, status
from textual.content import Content
from tui.runs_made import finished
from tui.sitting import NORMAL, SMALL, WIDE, Sitting, sitting

from promptlab.lab import Lab
from promptlab.lab.values import RunRequest
from promptlab.tui.screens.page import Page
from promptlab.tui.screens.results import LONGEST, ResultsScreen
from promptlab.tui.widgets.textview import TextView

BOTH = RunRequest(subjects=("triage@v1", "triage"), baseline="triage@v1")


def results(here: Sitting) -> ResultsScreen:
    screen = here.app.screen
    assert isinstance(screen, ResultsScreen)
    return screen


def detail(here: Sitting) -> str:
    return results(here).query_one("#detail", TextView).text


async def past(here: Sitting) -> None:
    """The last run is on the screen, head and all."""
    await here.press("3")
    await here.sees("triage@v2 · api")


async def test_the_loop_edit_run_verdict_commit(folder: Path) -> None:
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("R")
        await here.sees("16 answers, against triage@v1")
        await here.press("up", "up", "enter")  # from the lists too it runs what is ticked
        await here.until(lambda: here.status.startswith("done: 16/16 answers"))
        await here.sees("▲ +100.0 BETTER")
        assert "b ▲ better 8" in here.text
        before = places.fingerprint(folder)
        await here.press("c")
        await here.sees("HEAD, index and working tree stay as they are.")
        await here.press("C")
        await here.until(lambda: here.status.startswith("saved as run/triage/"))
        tag = here.status.removeprefix("saved as ")
        assert tag in places.git(folder, "tag", "-n", "--list", "run/*")
        assert places.fingerprint(folder) == before
        await here.press("c")
        assert here.status == f"already saved: {tag}"
        await here.press("1")
        await here.sees("▁█")


async def test_a_past_run_is_shown_with_its_detail_and_diff_and_enter_does_not_commit_it(folder: Path) -> None:
    run = await finished(folder, BOTH, save=False)
    async with sitting(folder) as here:
        await past(here)
        await here.until(lambda: "[-It is about -]billing[-.-]" in detail(here))
        assert run in here.text
        assert "Label this as billing, shipping or other: I was charged twice." in detail(here)
        assert "expected  billing" in detail(here)
        await here.press("d")
        await here.until(lambda: "[-" not in detail(here))
        await here.press("h")
        await here.until(lambda: "It is about billing." in detail(here))
        assert "triage@v1 · api" in detail(here)
        await here.press("c")
        await here.sees("Keep this run in git?")
        await here.press("enter")
        assert places.git(folder, "tag") == ""


async def test_the_detail_at_every_size_the_verdict_filters_sorting_and_metrics_of_one_run(folder: Path) -> None:
    await finished(folder, BOTH)
    async with sitting(folder) as here:
        await past(here)
        await here.until(lambda: "[-It is about -]billing[-.-]" in detail(here))
        async for _ in here.sizes(NORMAL, SMALL, WIDE):
            await here.press("enter")
            await here.sees("── output ──")
            assert "3 Results" in here.lines[0]
            assert here.lines[-1].endswith("? help  ^p cmds")
            assert len(list(here.app.screen.walk_children())) < 150
            await here.press("q")
            assert results(here).grid.has_focus

        await here.press("v")
        await here.sees("Baseline: a triage@v1 · api, on tickets")
        assert "BETTER: exact" in here.text
        await here.press("escape")
        assert "Baseline:" not in here.text

        grid = results(here).grid
        for key, rows in (("w", 0), ("b", 8), ("b", 8), ("equals_sign", 0), ("exclamation_mark", 0), ("a", 8)):
            await here.press(key)
            assert grid.row_count == rows, key
        await here.press("w")
        await here.sees("No example is like that. a shows all.")
        await here.press("q")
        assert grid.row_count == 8

        await here.pilot.resize_terminal(*NORMAL)
        for word in (
            "largest loss first",
            "largest change first",
            "lowest score first",
            "as in the eval set",
            "changed first",
        ):
            await here.press("s")
            await here.sees(word)
        await here.press("m")
        await here.sees("contains [95 %]")
        await here.sees("= same 8")
        await here.press("m")
        await here.sees("latency [95 %]")
        await here.pilot.click("#grid", offset=(4, 1))
        await here.sees("as in the eval set")
        await here.press("q")
        await here.sees("triage.toml")


async def test_errors_are_marked_and_never_a_zero(folder: Path, server: LoopbackServer) -> None:
    server.rule = lambda asked: status(400, "no [/] \x1b[2J") if "logo" in asked.text else None
    await finished(folder, BOTH)
    async with sitting(folder) as here:
        await past(here)
        await here.sees("! error 1")
        await here.press("exclamation_mark")
        await here.until(lambda: results(here).grid.row_key == "t8")
        await here.until(lambda: "400" in detail(here))
        assert "\x1b" not in here.text
        assert "100.0 %" in here.text


async def test_a_run_streams_in_can_be_left_and_is_stopped(folder: Path, server: LoopbackServer) -> None:
    server.latency = 0.25
    text = (folder / "promptlab.toml").read_text().replace("timeout = 5.0", "timeout = 5.0\nconcurrency = 1")
    (folder / "promptlab.toml").write_text(text)
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("R")
        await here.sees("16 answers")
        await here.press("enter")
        await here.sees("to come")
        await here.sees("0/8 done")
        await here.until(lambda: len(server.asked) >= 3)
        await here.press("v")
        await here.sees("A verdict is given when it has ended.")
        await here.press("escape", "c")
        assert "still going on" in here.status
        await here.press("1", "r")
        await here.until(lambda: here.status == "A run is going on: x stops it.")
        for keys in ("R", "5r"):  # no dialog is to be filled in for nothing
            here.app.session.say("")
            await here.press(*keys)
            await here.until(lambda: here.status == "A run is going on: x stops it.")
            assert isinstance(here.app.screen, Page)
        await here.press("1", "R")
        await here.until(lambda: here.status == "A run is going on: x stops it.")
        await here.pilot.resize_terminal(*SMALL)
        await here.until(lambda: here.lines[-3] == " A run is going on: x stops it." and "/16 · " in here.lines[-2])
        await here.pilot.resize_terminal(*WIDE)
        await here.press("ctrl+q")
        await here.sees("A run is going on.")
        await here.press("enter", "x")
        await here.until(lambda: here.status.startswith("stopped: "))
        assert len(server.asked) < 16
        assert "Stopped after" not in here.status
        await here.press("3")
        await here.sees("stopped")
        await here.press("c")
        await here.sees("The run is not complete: it is saved as partial.")


async def test_while_somebody_types_the_grid_of_a_run_is_painted_more_rarely(
    folder: Path, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.latency = 0.1
    text = (folder / "promptlab.toml").read_text().replace("timeout = 5.0", "timeout = 5.0\nconcurrency = 1")
    (folder / "promptlab.toml").write_text(text)
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("R")
        await here.sees("16 answers")
        await here.press("enter")
        await here.sees("1/8 done")
        monkeypatch.setattr("promptlab.tui.screens.results.SHARE_TYPING", 1e6)
        monkeypatch.setattr("promptlab.tui.screens.results.PAUSE", 1e6)
        monkeypatch.setattr("promptlab.tui.screens.results.LONGEST", 1e6)
        screen = results(here)
        await here.press("j")
        await here.until(lambda: not screen._painting)
        before, asked = screen.grid.border_subtitle, len(server.asked)
        await here.until(lambda: len(server.asked) > asked + 5)
        assert screen.grid.border_subtitle == before
        monkeypatch.setattr("promptlab.tui.screens.results.PAUSE", 0.0)
        await here.until(lambda: screen.grid.border_subtitle != before)


async def test_a_picture_that_took_an_hour_is_made_again_all_the_same(folder: Path) -> None:
    """The program was stopped in the terminal while it made it."""
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("3")
        await here.until(lambda: isinstance(here.app.screen, ResultsScreen))
        screen, now = results(here), 1e6
        screen._took, screen._painted_at, screen.session.touched = 3600.0, now, now
        assert not screen._due(now + LONGEST - 0.1)
        screen.session.touched = now + LONGEST
        assert screen._due(now + LONGEST)


async def test_a_run_is_left_running_and_watched_and_stopped_by_the_next_sitting(
    folder: Path, server: LoopbackServer
) -> None:
    held = 12  # the request that is not answered: however slow the sittings are, the run has not ended before them

    def slowly(text: str) -> str:
        server.latency = 0.5 if len(server.asked) < held else 300.0
        return places.route(text)

    server.reply = slowly
    text = (folder / "promptlab.toml").read_text().replace("timeout = 5.0", "timeout = 600.0\nconcurrency = 1")
    (folder / "promptlab.toml").write_text(text)
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("R")
        await here.sees("16 answers")
        await here.press("enter")
        await here.until(lambda: len(server.asked) >= 2)
        await here.press("ctrl+q")
        await here.sees("L Leave it running")
        await here.press("L")
        for _ in range(1000):
            await asyncio.sleep(0.03)
            if here.app.return_value is not None:
                break
        assert here.app.return_value == 0, here.status
    (run,) = Lab.open(folder).runs()
    assert run.state == "running"
    async with sitting(folder) as here:
        await here.press("3")
        await here.sees("/16")
        before = len(server.asked)
        await here.until(lambda: len(server.asked) > min(before, held - 1))
        await here.press("ctrl+q")
        await here.until(lambda: here.app.return_value == 0)  # nothing is lost: nobody is asked
    async with sitting(folder) as here:
        await here.press("3")
        await here.sees("/16")
        assert here.app.session.running
        assert not here.app.session.busy  # another process does it: a run of one's own may be started
        await here.press("x")
        await here.until(lambda: here.status.startswith(("stopped: ", "ended early: ")))
        assert len(server.asked) < 16
    (run,) = Lab.open(folder).runs()
    assert run.state == "partial"


async def test_a_past_run_can_be_chosen(folder: Path) -> None:
    await finished(folder, RunRequest(subjects=("triage@v1",)))
    await asyncio.sleep(1.1)
    await finished(folder, BOTH, save=False)
    async with sitting(folder) as here:
        await past(here)
        await here.press("o")
        await here.sees("unsaved")
        await here.press("j", "enter")
        await here.until(lambda: "triage@v2" not in here.text)
        assert "triage@v1 · api" in here.text
        await here.press("v")
        await here.sees("There is one column")


async def test_without_any_run_it_says_what_to_do(folder: Path) -> None:
    async with sitting(folder) as here:
        await here.press("3")
        await here.sees("No run to show. R on the Prompts screen makes one; o")
        await here.press("v", "c", "m", "s", "d", "b")
        await here.press("o")
        await here.sees("No run yet: R on the Prompts screen makes one.")
        await here.press("enter", "escape")


async def test_hostile_outputs_never_reach_the_terminal(folder: Path, server: LoopbackServer) -> None:
    server.reply = "[INST] \x1b]0;owned\x07 [/red] \u202e 漢字\n" + "x" * 1_000_000
    await finished(folder, BOTH)
    async with sitting(folder) as here:
        await past(here)
        await here.until(lambda: "owned" in detail(here))
        await here.sees("[INST] ␛]0;owned␇ [/red] ⇄ 漢字")
        await here.sees("[INST] ␛]0;owned␇ [/re…")
        assert not any(ord(c) < 32 and c != "\n" for c in here.text)
        assert isinstance(here.app.screen.query_one("#filters").render(), Content)


async def test_without_git_no_commit_is_promised(folder: Path) -> None:
    (folder / ".git").rename(folder.parent / "elsewhere")
    await finished(folder, RunRequest(subjects=("triage",)), save=False)
    async with sitting(folder) as here:
        await here.sees("triage")
        await here.press("3", "o")
        await here.sees("unsaved")
        await here.press("enter")
        await here.sees("not saved: in the journal only")
        assert "c commit" not in here.lines[-1]
        await here.press("c")
        assert "Keep this run in git?" not in here.text


async def test_all_pairs_of_three_columns(folder: Path) -> None:
    prompt = folder / "prompts" / "triage.toml"
    prompt.write_text(prompt.read_text().replace("Label this as", "Label this as one of"))
    await finished(folder, RunRequest(("triage@v1", "triage@v2", "triage")))
    async with sitting(folder) as here:
        await here.press("3")
        await here.sees("BETTER")
        await here.press("p")
        await here.sees("1. b")
        await here.sees("b against a")
        await here.sees("Only 8 examples")


STEPS = """inputs = ["ticket"]
[[steps]]
name = "draft"
prompt = "triage"
inputs = { ticket = "{{ ticket }}" }
[[steps]]
name = "label"
extract = { from = "{{ draft.text }}", regex = "billing|shipping" }
"""


async def test_the_step_that_failed_is_found_within_three_keys(folder: Path, server: LoopbackServer) -> None:
    (folder / "prompts" / "sure.toml").write_text(STEPS)
    await finished(folder, RunRequest(subjects=("triage", "sure")), save=False)
    async with sitting(folder) as here:
        await past(here)
        await here.sees("! error 2")
        await here.press("exclamation_mark")
        await here.until(lambda: results(here).grid.row_key == "t5")
        await here.until(lambda: "✗ label  extract  The pattern billing|shipping is not in" in detail(here))
        assert "├ ✓ draft  prompt" in detail(here)
        assert "ask: user  Label this as billing, shipping or other" in detail(here)
