"""The History screen on a real repository, with runs that a real endpoint on the loopback address answers."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import places
import pytest
from rich.cells import cell_len
from tui.runs_made import BOTH, finished
from tui.sitting import Sitting, sitting

from promptlab.lab import Lab
from promptlab.lab.values import RunRequest
from promptlab.tui.screens.diff import DiffScreen
from promptlab.tui.screens.history import HistoryScreen
from promptlab.tui.screens.history_rows import Timeline, ago, read_timeline
from promptlab.tui.widgets.textview import TextView

EDITED = places.SECOND.replace("Label this", "Label it")
DRAFT = RunRequest(subjects=("triage@v2", "triage"), baseline="triage@v2")


def history(here: Sitting) -> HistoryScreen:
    screen = here.app.screen
    assert isinstance(screen, HistoryScreen)
    return screen


def edit(folder: Path, text: str = EDITED) -> Path:
    path = folder / "prompts" / "triage.toml"
    path.write_text(text)
    return path


async def opened(here: Sitting, words: str) -> None:
    """History is open and shows these words."""
    await here.until(lambda: here.app.session.prompt)
    await here.press("5")
    await here.sees(words)
    await here.until(lambda: history(here).table.has_focus)


async def detail(here: Sitting, words: str) -> str:
    """The details, as soon as they hold these words."""
    await here.until(lambda: words in history(here).details.text)
    return history(here).details.text


def row(here: Sitting, start: str) -> str:
    """The line of the timeline that begins with this."""
    return next(line for line in here.lines if line.lstrip("┃│ AB").startswith(start))


# -- the timeline ---------------------------------------------------------------------------------------------


async def test_versions_runs_and_scores_stand_on_one_timeline_at_every_size_and_a_run_is_opened(folder: Path) -> None:
    run = await finished(folder)
    async with sitting(folder) as here:
        await opened(here, "2 versions · 1 run")
        assert "triage · exact ▁█" in here.text
        assert "100.0 %▲" in row(here, "v2")
        assert "Name the labels" in row(here, "v2")
        assert "0.0 % " in row(here, "v1")
        assert "▲" not in row(here, "v1")
        assert here.text.count(f"└ run  {run[-6:]}") == 2
        text = await detail(here, "── change v1 → v2 ──")
        assert "= working copy" in text
        assert "  exact 100.0 % [" in text
        assert "BETTER against triage@v1 · api: exact is 100.0 points higher" in text
        assert "{+Label this as billing, shipping or other: {{ ticket }}+}" in text

        # At every size.
        async for size in here.sizes():
            await here.sees("100.0 %▲")
            assert len(list(here.app.screen.walk_children())) < 150
            assert all(cell_len(line) <= size[0] for line in here.lines)
            assert "? help" in here.lines[-1]
            await here.sees("triage v2")
            await here.press("tab")
            assert history(here).details.has_focus
            await here.press("shift+tab")
            assert history(here).table.has_focus

        # A run tells its tag, columns and verdicts, and Enter opens it.
        await here.press("enter")
        assert here.status == "Enter on one of its runs opens that run."
        await here.press("j")
        text = await detail(here, f"run/triage/{run}")
        assert "a triage@v1 · api\n  exact 0.0 % [" in text
        assert "BETTER by +100.0 points" in text
        await here.press("y")
        assert here.status == f"copied run/triage/{run} (OSC 52)"
        assert here.app.clipboard == f"run/triage/{run}"
        await here.press("g", "y")
        assert here.app.clipboard == places.git(folder, "rev-parse", "HEAD").strip()
        await here.press("j", "enter")
        await here.until(lambda: here.app.current_mode == "results")
        assert here.app.session.table is not None
        assert here.app.session.table.run == run
        await here.press("q")
        assert here.app.current_mode == "history"


async def test_the_edited_working_copy_is_on_top_and_texts_that_were_only_run_stay(folder: Path) -> None:
    edit(folder)
    await finished(folder, DRAFT)
    edit(folder, EDITED + "# ")
    async with sitting(folder) as here:
        await opened(here, "edited, not committed")
        await detail(here, "── change v2 → working copy ──")
        # A comment is no other text; another word is, and the one that was run stays.
        edit(folder, EDITED.replace("Label it", "Label them"))
        await here.sees("run, not committed")
        lines = [line for line in here.lines if "committed" in line]
        assert "edited" in lines[0]
        assert "run, not" in lines[1]
        await here.press("j")
        text = await detail(here, "── change v2 → *")
        assert "Label [-this-]{+it+} as" in text


async def test_a_run_that_is_not_saved_is_there_too(folder: Path) -> None:
    run = await finished(folder, save=False)
    async with sitting(folder) as here:
        await opened(here, "not saved · api")
        await here.press("j")
        text = await detail(here, run)
        assert "In no tag yet: c in Results keeps it." in text
        assert "exact 0.0 % [" in text


async def test_a_run_whose_commit_git_has_lost_is_marked_wherever_runs_are_listed(folder: Path) -> None:
    run = await finished(folder)
    lost = places.git(folder, "rev-parse", f"run/triage/{run}^{{commit}}").strip()
    (folder / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    async with sitting(folder) as here:
        await opened(here, "2 versions · 1 run")
        assert "lost · api" in row(here, "└ run")
        for screen in "238":
            await here.press(screen, "o")
            await here.sees("Of a lost run git has the tag, and no commit.")
            assert any(" lost " in line and run[-6:] in line for line in here.lines)
            await here.press("enter")
            await here.until(lambda: f"The run {run} cannot be opened: its tag is here" in here.status)


async def test_what_happens_elsewhere_is_read_again(folder: Path) -> None:
    async with sitting(folder) as here:
        await opened(here, "2 versions · 0 runs")
        await here.press("enter")
        assert here.status == "No run has measured this text: r runs it."
        edit(folder)
        await here.sees("edited, not committed")
        places.git(folder, "commit", "-q", "-am", "Say it, not this")
        await here.press("1", "5")
        await here.sees("3 versions · 0 runs")
        assert "Say it, not this" in row(here, "v3")


# -- diff -----------------------------------------------------------------------------------------------------


async def test_d_shows_the_change_since_the_version_before(folder: Path) -> None:
    async with sitting(folder) as here:
        await opened(here, "2 versions")
        await here.press("d")
        await here.sees("triage  v1 → v2")
        assert isinstance(here.app.screen, DiffScreen)
        await here.press("q", "G", "d")
        assert here.status == "There is no version before it. Mark two with space, then d."


async def test_the_working_copy_needs_no_restoring_and_two_marked_are_compared_older_first(folder: Path) -> None:
    edit(folder)
    async with sitting(folder) as here:
        await opened(here, "edited, not committed")
        await here.press("R")
        await here.until(lambda: here.status == "This is the working copy: there is nothing to restore.")
        await here.press("space", "G", "space")
        assert row(here, "v1").startswith("┃A v1")
        assert row(here, "*").startswith("┃B *")
        await here.press("k", "d")
        await here.sees("triage  v1 → working copy")
        await here.press("5")
        await here.sees("edited, not committed")
        await here.press("g", "space", "j", "d")
        await here.sees("triage  v1 → v2")


# -- restore --------------------------------------------------------------------------------------------------


async def test_restore_puts_the_text_into_the_editor_writes_nothing_and_asks_before_it_replaces(folder: Path) -> None:
    before = places.fingerprint(folder)
    async with sitting(folder) as here:
        await opened(here, "2 versions")
        await here.press("j", "R")
        await here.until(lambda: here.app.current_mode == "prompts")
        await here.until(lambda: here.app.session.unsaved == {"triage"})
        assert here.prompts.editor.text == places.FIRST
        assert here.prompts.editor.has_focus
        assert "ctrl+s saves it" in here.status
        assert places.fingerprint(folder) == before
        await here.press("ctrl+z")
        await here.until(lambda: not here.app.session.unsaved)
        assert here.prompts.editor.text == places.SECOND

        # What is not saved is asked about before it is replaced.
        await here.press("#", "escape", "5")
        await here.sees("2 versions")
        await here.press("R")
        await here.sees("Replace the unsaved text of triage?")
        await here.press("enter")
        assert here.app.current_mode == "history"
        assert "triage" in here.app.session.unsaved
        await here.press("R")
        await here.sees("Replace the unsaved text of triage?")
        await here.press("R")
        await here.until(lambda: here.app.current_mode == "prompts")
        await here.until(lambda: here.prompts.editor.text == places.FIRST)


async def test_a_text_that_was_run_and_never_committed_can_be_restored(folder: Path) -> None:
    edit(folder)
    await finished(folder, DRAFT)
    edit(folder, places.SECOND)
    async with sitting(folder) as here:
        await opened(here, "run, not committed")
        await here.press("g", "R")
        await here.until(lambda: here.app.current_mode == "prompts")
        assert here.prompts.editor.text == EDITED


async def test_a_text_only_in_a_journal_says_how_to_keep_it(folder: Path) -> None:
    edit(folder)
    await finished(folder, DRAFT, save=False)
    edit(folder, places.SECOND)
    async with sitting(folder) as here:
        await opened(here, "run, not committed")
        await here.press("g", "R")
        await here.until(lambda: "c in Results keeps it" in here.status)
        await here.press("d")
        assert here.status.endswith("is only in the journal of a run: c in Results keeps it.")
        await here.press("r")
        assert here.status.endswith("so it cannot be run again.")


# -- running, choosing ----------------------------------------------------------------------------------------


async def test_r_runs_an_old_version_beside_the_working_copy(folder: Path) -> None:
    async with sitting(folder) as here:
        await opened(here, "2 versions")
        await here.press("j", "r")
        await here.sees("16 answers, against triage@v1")
        await here.press("enter")
        await here.until(lambda: here.status.startswith("done: 16/16 answers"))
        assert here.app.current_mode == "results"
        await here.press("5")
        await here.sees("not saved · api 100.0 %")


async def test_brackets_and_p_choose_the_prompt(folder: Path) -> None:
    (folder / "prompts" / "reply.toml").write_text(places.FIRST)
    async with sitting(folder) as here:
        await opened(here, "No version of reply is committed yet.")
        await here.press("right_square_bracket")
        await here.sees("2 versions")
        await here.press("left_square_bracket")
        await here.sees("0 versions")
        await here.press("p")
        await here.sees("Show the past of")
        await here.type("tri")
        await here.press("enter")
        await here.sees("2 versions")
        await here.press("4")
        await here.sees("triage  v1 → v2")


# -- hard states ----------------------------------------------------------------------------------------------


async def test_no_git_no_commit_no_prompt_say_what_to_do(tmp_path: Path) -> None:
    plain = places.workspace(tmp_path / "plain")
    (plain / ".git").rename(tmp_path / "elsewhere")
    async with sitting(plain) as here:
        await opened(here, "not committed")
        await detail(here, "is not in a git repository")
        await here.press("d")
        assert "no version before it" in here.status
    places.git(plain, "init", "-q")
    async with sitting(plain) as here:
        await opened(here, "not committed")
        text = await detail(here, "No version of triage is committed yet.")
        assert "No run has measured this text: r runs it." in text
    for path in (plain / "prompts").iterdir():
        path.unlink()
    async with sitting(plain) as here:
        await here.sees("No prompt yet")
        await here.press("5")
        await here.sees("No prompt yet: press 1, then n, to create one.")
        await here.press("d", "r", "R", "y", "space", "enter", "p", "right_square_bracket")


async def test_a_version_that_does_not_load_says_why_and_is_left_out(folder: Path) -> None:
    edit(folder, "messages = [\n")
    places.git(folder, "commit", "-q", "-am", "Break it")
    edit(folder, places.SECOND)
    async with sitting(folder) as here:
        await opened(here, "invalid")
        await here.press("d")
        assert here.status.endswith("does not load.")
        await here.press("r")
        assert here.status.endswith("does not load, so it cannot be run again.")


async def test_hostile_text_is_shown_and_not_obeyed(folder: Path) -> None:
    path = edit(folder, places.SECOND.replace("Label this", r"\u001b[2J[reverse]Label \u202e this"))
    author = "\u202eAnn [bold] <a@b>"
    places.git(folder, "commit", "-q", "-am", "Say [red]\x1b]0;x\x07 it", "--author", author)
    await finished(folder, BOTH)
    path.write_text(places.SECOND)
    async with sitting(folder) as here:
        await opened(here, "Say [red]")
        await here.press("g")
        await here.sees("{+␛[2J[reverse]+}Label{+·⇄+} this")
        assert "\x1b" not in here.text
        assert "\u202e" not in here.text


async def test_leaving_while_it_reads_loses_nothing(folder: Path) -> None:
    for number in range(30):
        edit(folder, EDITED.replace("Label it", f"Label {number}"))
        places.git(folder, "commit", "-q", "-am", f"Number {number}")
    async with sitting(folder) as here:
        await here.until(lambda: here.app.session.prompt)
        await here.press("5", "1")
        assert here.app.current_mode == "prompts"
        await here.press("5")
        await here.sees("32 versions")
        await here.press("G", "g", "j", "j")
        await detail(here, "── change v29 → v30 ──")


async def test_quitting_while_it_reads_is_no_fault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on, asked = threading.Event(), threading.Event()

    def slow(lab: Lab, name: str, only: str) -> Timeline:
        asked.set()
        assert may_go_on.wait(20)
        return read_timeline(lab, name, only)

    async def last_to_go(pane: TextView) -> None:
        if pane.id == "details":
            may_go_on.set()  # the table is gone by now, the screen is not
            await asyncio.sleep(0.3)

    monkeypatch.setattr("promptlab.tui.screens.history.read_timeline", slow)
    async with sitting(folder) as here:
        await here.until(lambda: here.app.session.prompt)
        here.app.simulate_key("5")
        await here.until(asked.is_set)
        monkeypatch.setattr(TextView, "on_unmount", last_to_go, raising=False)


async def test_a_metric_where_less_is_better_marks_the_gain(folder: Path) -> None:
    evalset = folder / "evalsets" / "tickets.toml"
    evalset.write_text(evalset.read_text().replace('primary = "exact"', 'primary = "latency"'))
    await finished(folder)
    timeline = read_timeline(Lab.open(folder), "triage")
    newest, oldest = timeline.moments
    assert timeline.past.metric == "latency"
    assert newest.score is not None
    assert oldest.score is not None
    assert timeline.change(newest) == ("▲" if newest.score < oldest.score else "▼")
    assert timeline.change(oldest) == ""


def test_how_long_ago() -> None:
    assert [ago(0, passed) for passed in (3, 120, 7200, 86_400 * 3, 86_400 * 70, 86_400 * 800)] == [
        "now",
        "2 min",
        "2 h",
        "3 d",
        "2 mo",
        "2 y",
    ]
