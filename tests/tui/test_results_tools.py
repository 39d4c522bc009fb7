"""What Results does with a run as a whole: search, tables and drawings, a file, failed cells once more, a pager."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from loopback import LoopbackServer, status
from tui.runs_made import BOTH, finished
from tui.sitting import SMALL, WIDE, Sitting, sitting

from promptlab.tui.screens.figures import Figures
from promptlab.tui.screens.results import ResultsScreen
from promptlab.tui.screens.searching import found_in
from promptlab.tui.widgets.textview import Piece, TextView


def results(here: Sitting) -> ResultsScreen:
    assert isinstance(here.app.screen, ResultsScreen)
    return here.app.screen


async def past(here: Sitting) -> None:
    await here.press("3")
    await here.sees("triage@v2 · api")
    await here.until(lambda: results(here).grid.row_count == 8)


async def search(here: Sitting, words: str) -> None:
    await here.press("slash")
    await here.sees("Enter shows the examples")
    await here.press("ctrl+a", "ctrl+k")
    await here.type(words)
    await here.press("enter")
    await here.sees(f"/{words} ")


async def test_search_finds_inputs_and_answers_and_is_left_by_q(folder: Path) -> None:
    await finished(folder, BOTH)
    async with sitting(folder) as here:
        await past(here)
        await search(here, "PARCEL")
        await here.until(lambda: results(here).grid.row_count == 1)
        assert results(here).grid.row_key == "t2"
        await here.until(lambda: "a all 1 " in here.text)
        await search(here, "about other")  # only in what came back
        await here.until(lambda: results(here).grid.row_count == 2)
        await here.press("w")
        await here.sees("No example is like that. a shows all.")
        await here.press("w", "q")
        await here.until(lambda: results(here).grid.row_count == 8)
        assert "/about other" not in here.text
        assert here.app.current_mode == "results"
        await search(here, "[/]")
        await here.sees("No example is like that. a shows all.")


def test_words_are_marked_where_they_stand() -> None:
    pieces = [Piece("A red, RED error", "dim"), Piece("redo")]
    assert found_in(pieces, "red") == [
        *(Piece("A ", "dim"), Piece("red", "mark"), Piece(", ", "dim"), Piece("RED", "mark"), Piece(" error", "dim")),
        *(Piece("red", "mark"), Piece("o")),
    ]
    assert found_in(pieces, "") == pieces


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_the_run_by_tag_spread_plotted_and_by_label(folder: Path, size: tuple[int, int]) -> None:
    await finished(folder, BOTH)
    async with sitting(folder, size) as here:
        await past(here)
        await here.press("f")

        def text() -> str:
            screen = here.app.screen
            return screen.query_one("#body", TextView).text if isinstance(screen, Figures) else ""

        await here.until(lambda: "── by tag ──\nbilling      3  a 0.0 % [" in text())
        assert "b 100.0 % [" in text()
        assert "▲ 3 ▼ 0" in text()
        await here.press("l")
        await here.until(lambda: "── exact ──\n0 a █" in text())
        assert text().count(" 8\n") == 2
        await here.press("m", "l")
        await here.until(lambda: "seconds to the whole answer" in text() and "b p50 " in text())
        await here.press("right")
        await here.until(lambda: "contains ↑" in text())
        await here.press("m")
        await here.until(lambda: "○ one answer" in text())
        await here.press("f")
        await here.until(lambda: "── b triage@v2 · api ── right label down, answer across" in text())
        await here.press("h", "left", "left", "left")
        await here.until(lambda: "── by tag ──" in text())
        await here.press("escape")
        assert results(here).grid.has_focus


async def test_failed_cells_are_asked_again_and_the_rest_stays(folder: Path, server: LoopbackServer) -> None:
    server.rule = lambda asked: status(400, "no") if "logo" in asked.text else None
    run = await finished(folder, BOTH, save=False)
    server.rule = lambda asked: None
    server.asked.clear()
    async with sitting(folder) as here:
        await past(here)
        await here.sees("! error 1")
        await here.press("h", "m")
        shown = results(here)._view
        assert (shown.column, shown.metric) == ("a", "contains")
        await here.press("r")
        await here.until(lambda: here.status.startswith("done: 16/16 answers"))
        assert results(here)._view == shown, "who asks again has chosen what to see"
        assert {asked.text[-15:] for asked in server.asked} == {"like your logo."}
        assert results(here)._table.run == run
        await here.sees("! error 0")
        await here.press("r")
        await here.until(lambda: "failed: there is nothing to ask again." in here.status)


async def test_a_run_is_written_to_a_file(folder: Path) -> None:
    await finished(folder, BOTH)
    async with sitting(folder) as here:
        await past(here)
        await here.press("E")
        await here.sees("Write every answer to which file?")
        await here.press("ctrl+a", "ctrl+k")
        await here.type("out.jsonl")
        await here.press("enter")
        await here.until(lambda: here.status == f"wrote 16 rows to {folder / 'out.jsonl'}")
        assert len((folder / "out.jsonl").read_text().splitlines()) == 16
        await here.press("E", "enter")
        await here.until(lambda: here.status.startswith("wrote 16 rows to ") and here.status.endswith(".csv"))
        await here.press("E", "enter")
        await here.until(lambda: "is there already: name another file" in here.status)


async def test_a_text_opens_in_the_pager_without_its_escape_codes(
    folder: Path, server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply = "one \x1b[2J two"
    await finished(folder, BOTH)
    pager = tmp_path / "pager"
    pager.write_text(f'#!/bin/sh\ncat "$1" > {tmp_path}/seen\n')
    pager.chmod(0o755)
    monkeypatch.setenv("PAGER", str(pager))
    async with sitting(folder) as here:
        await past(here)
        await here.until(lambda: "two" in results(here).query_one("#detail", TextView).text)
        await here.press("tab", "vertical_line")
        await here.until(lambda: "this terminal cannot be given to another program" in here.status)  # no real one
        monkeypatch.setattr(here.app, "suspend", nullcontext)
        await here.press("vertical_line")
        await here.until((tmp_path / "seen").exists)
        assert "one ␛[2J two" in (tmp_path / "seen").read_text()
        monkeypatch.setenv("PAGER", "no-such-pager")
        await here.press("vertical_line")
        await here.until(lambda: here.status.startswith("no-such-pager could not be started: "))


async def test_without_a_run_there_is_nothing_to_draw_write_or_ask_again(folder: Path) -> None:
    async with sitting(folder) as here:
        await here.press("3")
        await here.sees("No run to show.")
        for key in ("f", "E", "r", "slash"):
            await here.press(key)
        assert here.status.startswith("No run to show.")
