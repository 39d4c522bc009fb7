"""What the screens do with git when asked to: commit, undo, its log; names, blame, bisect from History."""

from __future__ import annotations

from pathlib import Path

import places
from tui.runs_made import BOTH, finished
from tui.sitting import NORMAL, Sitting, sitting

from promptlab.lab import Lab
from promptlab.lab.values import RunRequest
from promptlab.tui.screens.bisecting import blame_pieces
from promptlab.tui.screens.commit_dialog import proposal_pieces
from promptlab.tui.screens.history import HistoryScreen
from promptlab.tui.screens.history_rows import Moment

TRIAGE = "prompts/triage.toml"


def edit(folder: Path, text: str = places.FIRST) -> None:
    (folder / TRIAGE).write_text(text)


def hook(folder: Path, script: str) -> None:
    path = folder / ".git" / "hooks" / "pre-commit"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


async def history(here: Sitting, words: str) -> None:
    await here.until(lambda: here.app.session.prompt)
    await here.press("5")
    await here.sees(words)
    await here.until(lambda: isinstance(here.app.screen, HistoryScreen) and here.app.screen.table.has_focus)


async def test_a_verdict_is_shown_once_in_the_message_or_beside_it(folder: Path) -> None:
    edit(folder)
    await finished(folder, RunRequest(subjects=("triage@v2", "triage"), baseline="triage@v2"))
    proposal = Lab.open(folder).proposal(["triage"])
    (verdict,) = proposal.edits[0].verdicts
    assert verdict in proposal.message
    assert not any(verdict in piece.text for piece in proposal_pieces(proposal, proposal.message))
    assert any(verdict in piece.text for piece in proposal_pieces(proposal, "In my own words"))


async def test_a_commit_is_shown_made_and_taken_back_by_keys(folder: Path) -> None:
    edit(folder)
    (folder / "notes.txt").write_text("mine\n")
    places.git(folder, "add", "notes.txt")
    before = places.git(folder, "status", "--porcelain"), places.git(folder, "ls-files", "-s")
    async with sitting(folder, NORMAL) as here:
        await here.sees("main*2")
        await here.press("c")
        await here.sees("1 other file is staged and stays so")
        assert "@@ messages[0].content" in here.text
        assert "triage: reword the user message" in here.text
        await here.type(", shorter")
        await here.press("ctrl+s")
        await here.until(lambda: here.status.startswith("committed "))
        made = places.git(folder, "rev-parse", "HEAD")[:8]
        known = "No run compares it with the version before yet."
        assert here.status == f"committed {made} as triage@v1. {known} u takes it back."
        assert places.git(folder, "log", "-1", "--format=%B").strip() == "triage: reword the user message, shorter"
        assert places.git(folder, "status", "--porcelain") == "A  notes.txt\n"
        await here.sees("main*1")
        await here.press("u")
        await here.sees("Last, just now: committed ")
        await here.press("enter")
        assert places.git(folder, "status", "--porcelain") == "A  notes.txt\n", "Enter alone undoes nothing"
        await here.press("u")
        await here.sees("main goes back to ")
        await here.press("U")
        await here.until(lambda: here.status.endswith("`git reflog` knows it."))
        assert (places.git(folder, "status", "--porcelain"), places.git(folder, "ls-files", "-s")) == before
        await here.press("u")
        await here.until(lambda: here.status == "promptlab has done nothing here that could be undone.")


async def test_a_refused_commit_keeps_the_message_and_shows_what_was_said(folder: Path) -> None:
    edit(folder)
    hook(folder, 'printf "no [bold]\\033[2J[/] today"; exit 1')
    async with sitting(folder) as here:
        await here.sees("main*1")
        await here.press("c")
        await here.sees("^s commits")
        await here.type("!")
        await here.press("ctrl+s")
        await here.sees("no [bold]␛[2J[/] today")
        await here.press("E")
        await here.sees("triage: reword the user message!")
        await here.press("escape")
        await here.until(lambda: here.status == "Nothing is committed.")
        hook(folder, "exit 0")
        await here.press("c")
        await here.sees("triage: reword the user message!")
        await here.press("ctrl+s")
        await here.until(lambda: here.status.startswith("committed "))
        await here.press("c")
        await here.until(lambda: here.status == "triage is as it was committed: there is nothing to commit.")
        await here.press("at")
        await here.sees("git commit --quiet --only '--message=triage: reword the user message!' --")
        await here.press("escape", "ctrl+p")
        await here.type("git:")
        await here.sees("git: undo")
        await here.sees("git: commit")
        await here.press("escape", "e", "#", "escape", "c")
        await here.sees("^s commits")
        assert places.git(folder, "status", "--porcelain") == f" M {TRIAGE}\n", "what is not saved is saved first"


async def test_versions_are_named_blamed_and_filtered_from_history(folder: Path) -> None:
    run = await finished(folder, BOTH)
    async with sitting(folder) as here:
        await history(here, "2 versions · 1 run")
        await here.press("P")
        await here.sees("Put v2 on which stage?")
        await here.press("enter")
        await here.sees(f"run/triage/{run}")
        await here.press("P")
        await here.until(lambda: here.status.startswith("triage@production is "))
        await here.sees("◆ production  Name the labels")
        await here.sees("◆ production since ")
        await here.press("D")
        await here.sees("Then nothing is on triage@production.")
        await here.press("D")
        await here.until(lambda: here.status.startswith("Nothing is on triage@production now: triage#production!#2"))
        await here.press("u")
        await here.sees("One more tag says that ")
        await here.press("U")
        await here.sees("◆ production  Name the labels")
        await here.press("T")
        await here.sees("Pin the number v2?")
        await here.press("T")
        await here.until(lambda: "for good" in here.status)
        await here.press("b")
        await here.sees("v2 2")
        await here.sees('│ content = "Label this as billing')
        await here.press("escape", "S")
        await here.until(lambda: here.status == "Only a saved run can be published: put the cursor on one.")
        await here.press("j", "S")
        await here.sees(f"Publish the run {run[-6:]}?")
        await here.press("S")
        await here.until(lambda: here.status.startswith("The summary on main is in "))
        await here.press("f")
        await here.sees("eval set tickets")
        await here.press("j", "enter")
        await here.sees("1 run of model api")
        await here.press("q")
        await here.sees("2 versions · 1 run ")
        assert here.app.current_mode == "history"
    assert {mark.tag for mark in Lab.open(folder).marks()} == {
        *("triage#production#1", "triage#production!#2", "triage#production#3", "triage@v2")
    }


async def test_bisect_between_two_marked_versions(folder: Path) -> None:
    evalset = folder / "evalsets" / "tickets.toml"
    more = (f'[[examples]]\nid = "m{n}"\nvars = {{ ticket = "Hm {n}" }}\nexpected = "other"\n' for n in range(8))
    evalset.write_text(evalset.read_text() + "".join(more))
    edit(folder, places.SECOND.replace("Label", "Label -"))
    places.git(folder, "commit", "-qam", "A dash")
    edit(folder, places.FIRST.replace("What", "Tell what"))
    places.git(folder, "commit", "-qam", "Ask another way")
    async with sitting(folder) as here:
        await history(here, "4 versions")
        await here.press("space", "j", "j", "space", "B")
        await here.sees("Find the version between v2 (good) and v4 (bad)")
        await here.press("B")
        await here.sees("v4 is the first bad version on api · exact; the last good one is v3")
        await here.sees("Ask another way")
        await here.press("escape", "space", "B")
        await here.sees("Find the version between v1 (good) and v4 (bad)")
        await here.press("B")
        await here.sees("v4 is not clearly worse than v1")


def test_a_long_line_goes_on_beside_the_margin_of_blame(folder: Path) -> None:
    edit(folder, places.FIRST + f'\n[[messages]]\nrole = "user"\ncontent = "{"a word and " * 12}"\n')
    places.git(folder, "commit", "-qam", "A long question")
    lab = Lab.open(folder)
    version = lab.versions("triage")[-1]
    moment = Moment("version", version.label, version.content, f"triage@{version.label}", version.time)
    rows = "".join(piece.text for piece in blame_pieces(lab, moment, 68)).splitlines()[2:]
    assert all(len(row) <= 68 and row[34:37] == " │ " for row in rows)
    assert sum(row.startswith(" " * 34) and "word" in row for row in rows) >= 4
