"""The Compare screen on runs that a real endpoint on the loopback address answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import places
from loopback import LoopbackServer, status, written
from tui.runs_made import BOTH, finished
from tui.sitting import NORMAL, SMALL, WIDE, Sitting, sitting

from promptlab.lab import Lab
from promptlab.lab.pinning import pinned
from promptlab.lab.values import RunRequest
from promptlab.tui.screens.compare import CompareScreen
from promptlab.tui.widgets.editor import Editor

HOSTILE = "[INST] \x1b]0;owned\x07 [/red] \u202e 漢字 👨\u200d👩\n"


def compare(here: Sitting) -> CompareScreen:
    screen = here.app.screen
    assert isinstance(screen, CompareScreen)
    return screen


def column(here: Sitting, seat: int) -> str:
    """The text of a pane, counted from the left, or from the right below 0."""
    return compare(here).views[range(len(compare(here).seats))[seat]].text


async def past(here: Sitting) -> None:
    """The last run is side by side."""
    await here.press("2")
    await here.sees("triage@v2 · api")


async def test_one_example_every_column_at_every_size(folder: Path) -> None:
    await finished(folder, BOTH)
    async with sitting(folder) as here:
        await past(here)
        for size in (WIDE, NORMAL, SMALL):
            await here.pilot.resize_terminal(*size)
            await here.until(lambda size=size: len(compare(here).seats) == (2 if size == WIDE else 1))
            await here.until(lambda: "[-It is about -]billing[-.-]" in column(here, -1))
            assert "✓ exact     1  ▲ 1" in column(here, -1)
            assert "a triage@v1 · api ✗" in here.text
            assert "b triage@v2 · api ✓" in here.text
            await here.press("h")
            await here.sees("It is about billing.")
            assert "a triage@v1 · api · baseline" in here.text
            await here.press("l", "right_square_bracket")
            await here.until(lambda: "[-It is about -]shipping[-.-]" in column(here, -1))
            await here.sees("tickets · t2")
            await here.press("left_square_bracket", "left_square_bracket")
            await here.sees("tickets · t8")
            await here.press("d", "s", "i")
            await here.until(lambda: column(here, -1).startswith("other\n\n── input: user ──"))
            await here.press("v", "z", "h", "q", "v", "d", "s", "i", "l", "right_square_bracket")
            assert compare(here).column == "b"
            assert here.lines[-1].endswith("? help  ^p cmds")
        assert len(list(here.app.screen.walk_children())) < 150


async def test_a_prompt_is_edited_beside_its_answer_and_only_what_changed_is_asked(
    folder: Path, server: LoopbackServer
) -> None:
    await finished(folder, BOTH)
    server.asked.clear()
    async with sitting(folder) as here:
        await past(here)
        await here.press("e")
        await here.until(lambda: compare(here).query_one(Editor).has_focus)
        await here.type("Labels! ")
        await here.sees("b triage@v2 · api · of an earlier text")
        await here.press("ctrl+r")
        await here.until(lambda: here.status.startswith("done: 2/2 answers") and "1 known before" in here.status)
        assert [asked.text for asked in server.asked] == [
            "Labels! Label this as billing, shipping or other: I was charged twice."
        ]
        await here.sees("b triage* · api")
        assert "earlier text" not in here.text
        await here.press("escape", "right_square_bracket")
        await here.until(lambda: "It is about shipping." in column(here, 0))
        assert column(here, 1) == "not asked yet: r runs this example\n"
        await here.press("1")
        await here.until(lambda: here.prompts.editor.text.count("Labels! ") == 1)
        assert here.app.session.unsaved == {"triage"}
        await here.press("e", "ctrl+z")
        await here.until(lambda: not here.app.session.unsaved)
        await here.press("ctrl+y", "escape", "2", "e")
        await here.until(lambda: compare(here).query_one(Editor).has_focus)
        await here.press("ctrl+s")
        await here.until(lambda: here.status == "saved prompts/triage.toml")
        await here.press("escape", "c")
        await here.sees("triage: reword the user message")
        await here.press("ctrl+s")
        await here.until(lambda: here.status.startswith("committed "))
    assert "Labels! " in (folder / "prompts" / "triage.toml").read_text()


async def test_an_old_version_stays_and_its_text_can_be_a_start(folder: Path, server: LoopbackServer) -> None:
    await finished(folder, BOTH)
    async with sitting(folder) as here:
        await past(here)
        await here.press("h", "e")
        await here.sees("triage@v1 is committed and stays as it is.")
        await here.press("enter")
        assert not compare(here).rewriting.open
        await here.press("e")
        await here.sees("V Text of v1")
        await here.press("V")
        editor = compare(here).query_one(Editor)
        await here.until(lambda: editor.has_focus)
        assert editor.text == places.FIRST
        await here.press("ctrl+z")
        assert editor.text == places.SECOND
        editor.swap(places.FIRST.replace("{{ ticket }}", "{{ tikcet }}"))
        await here.until(lambda: here.status == "The example has no variable tikcet, which the prompt uses.")
        editor.swap(places.FIRST.replace("What", "Say what"))
        await here.until(lambda: not here.status)
        await here.press("ctrl+r")
        await here.until(lambda: here.status.startswith("done: 3/3 answers"))
        assert compare(here).sheet.columns == ("a", "b", "c")  # v1 stays the baseline
        (folder / "prompts" / "triage.toml").write_text("# theirs\n" + places.SECOND)
        await here.until(lambda: "changed on disk too" in here.status)
        assert "Say what" in editor.text


async def test_without_a_run_it_says_what_to_do_and_does_it(folder: Path, server: LoopbackServer) -> None:
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("2")
        await here.sees("Nothing to compare yet.")
        assert "r  runs the prompt as it stands" in here.text
        await here.press("h", "l", "e", "space", "n", "d", "v", "z", "right_square_bracket", "c", "q", "2", "a")
        await here.sees("2 versions × 1 model × 1 on tickets = 2 answers")
        await here.press("escape", "r")
        await here.until(lambda: here.status.startswith("done: 10/10 answers"))
        await here.until(lambda: "[-It is about -]billing[-.-]" in column(here, 1))
        await here.press("a")
        await here.sees("Compare triage")
        await here.press("up", "up", "up", "space", "enter")
        await here.until(lambda: compare(here).seats == ("a",) and here.status.startswith("done: 1/1 answers"))
        await here.press("R")
        await here.sees("2 versions × 1 model × 8 on tickets = 16 answers")
        await here.press("enter")
        await here.until(lambda: here.status.startswith("done: 16/16 answers"))
        assert compare(here).sheet.top is here.app.session.table
        await here.press("o")
        await here.sees("unsaved")
        await here.press("enter")


async def test_as_many_columns_as_fit_and_the_baseline_stays(folder: Path) -> None:
    prompt = folder / "prompts" / "triage.toml"
    prompt.write_text(prompt.read_text().replace("Label this as", "Label this as one of"))
    await finished(folder, RunRequest(("triage@v1", "triage@v2", "triage"), models=("api",)), save=False)
    async with sitting(folder) as here:
        await past(here)
        await here.until(lambda: compare(here).seats == ("a", "b", "c"))
        await here.pilot.resize_terminal(100, 24)
        await here.until(lambda: compare(here).seats == ("a", "b"))
        await here.press("l")
        await here.until(lambda: compare(here).seats == ("a", "c"))
        await here.press("h")
        assert (compare(here).column, compare(here).seats) == ("b", ("a", "b"))
        await here.pilot.click("#columns", offset=(4, 0))
        await here.until(lambda: compare(here).column == "a")


async def test_pins_are_run_with_what_is_shown_and_kept(folder: Path, server: LoopbackServer) -> None:
    await finished(folder, RunRequest(subjects=("triage@v1", "triage@v2"), only=("t1",)))
    async with sitting(folder) as here:
        await past(here)
        await here.press("n")
        assert here.status == "No example is pinned: space pins the one that is shown."
        await here.press("right_square_bracket", "right_square_bracket", "space", "left_square_bracket")
        await here.sees("1 pinned · 2/8")
        await here.press("r")
        await here.until(lambda: here.status.startswith("done: 4/4 answers"))
        await here.press("n")
        await here.sees("tickets · t3  ● pinned")
        await here.until(lambda: "[-It is about -]billing[-.-]" in column(here, 1))
        await here.press("N", "left_square_bracket", "left_square_bracket")
        await here.sees("tickets · t1")
        assert "✓ t1" not in here.text
        await here.until(lambda: "[-It is about -]billing[-.-]" in column(here, 1))  # of the run that was opened
        await here.press("3")
        await here.until(lambda: here.app.screen.query_one("#grid").row_key == "t1")
    assert pinned(Lab.open(folder), "tickets") == ("t3",)


async def test_texts_stream_in_and_errors_are_said_in_their_column(folder: Path, server: LoopbackServer) -> None:
    slow = written(HOSTILE + "word " * 3000, "the end", pause=0.01, halt=2)
    server.latency = 0.5
    server.rule = lambda asked: status(400, "no [/] \x1b[2J") if asked.text.startswith("What") else slow
    settings = folder / "promptlab.toml"
    settings.write_text(settings.read_text().replace('model = "scripted"', 'model = "scripted"\nstream = true'))
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("2", "r")
        await here.sees("waiting …")
        await here.until(lambda: "the end▌" in here.text)
        assert "b triage@v2 · api ▶" in here.text
        assert "characters before this" in column(here, 1)
        await here.until(lambda: "! " in column(here, 0) and "400" in column(here, 0))
        assert "a triage@v1 · api !" in here.text
        assert "\x1b" not in here.text
        server.let_go()
        await here.until(lambda: here.status.startswith("done: 10/10"))
        await here.until(lambda: "the end" in column(here, 1) and "▌" not in column(here, 1))


async def test_a_run_of_another_process_is_watched_wherever_it_is_opened(
    folder: Path, server: LoopbackServer
) -> None:
    server.rule = lambda _: written("It is", " about", pause=0.01, halt=1)
    settings = folder / "promptlab.toml"
    settings.write_text(settings.read_text().replace('model = "scripted"', 'model = "scripted"\nstream = true'))
    there = Lab.open(folder)
    plan = there.plan(RunRequest(("triage@v2",), models=("api",)))
    table = there.table(plan)

    async def run() -> None:
        async for _ in there.run(plan, table, watched=False):
            pass

    running = asyncio.create_task(run())
    async with sitting(folder) as here:
        await here.until(lambda: table.run)
        await here.press("2")
        await here.until(lambda: "It is▌" in here.text)
        await here.sees("in flight")
        await here.press("3")
        await here.until(lambda: "It is▌" in here.text and "running" in here.text)
        server.let_go()
        await here.until(lambda: "It is about" in here.text and "▌" not in here.text)
        await running
        await here.until(lambda: here.status.startswith("done: "))
    await there.close()


async def test_hostile_and_huge_answers_open_at_once_and_never_reach_the_terminal(
    folder: Path, server: LoopbackServer
) -> None:
    server.reply = lambda text: (HOSTILE if text.startswith("L") else "") + "word " * 200_000
    await finished(folder, BOTH)
    async with sitting(folder) as here:
        await past(here)
        await here.sees("[INST] ␛]0;owned␇ [/red] ⇄ 漢字")
        assert not any(ord(c) < 32 and c != "\n" for c in here.text)
        await here.press("G")
        await here.sees("── scores ──")
        await here.press("g", "right_square_bracket")
        await here.sees("tickets · t2")
