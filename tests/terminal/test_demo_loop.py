"""The loop of the demo with the keyboard only, as a newcomer does it: edit, run, read, commit, find."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import places
import pytest
from terminal.pane import Pane

pytestmark = [
    pytest.mark.tmux,
    pytest.mark.local,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux"),
]
PROMPTLAB = [sys.executable, "-m", "promptlab"]


@pytest.fixture
def pane(tmp_path: Path) -> Iterator[Pane]:
    with Pane([*PROMPTLAB, "demo", "demo"], tmp_path) as opened:
        yield opened


def test_edit_run_read_commit_find(pane: Pane, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    pane.sees("prompts/triage.toml", "support · s001", "v4")

    pane.keys("e")
    pane.sees("esc leave")
    pane.type("Please read the ticket. ")
    pane.sees("Please read the ticket. Classify")
    pane.keys("C-s")
    pane.sees("saved prompts/triage.toml")
    assert "Please read the ticket." in (folder / "prompts" / "triage.toml").read_text()
    pane.keys("Escape")
    pane.loses("esc leave")
    before = places.fingerprint(folder)
    assert before["status"], "the edit is not committed, and stays so"

    pane.sees("R run all")
    pane.keys("R")
    pane.sees("Run triage", "[x] v4", "[x] working copy", "[ ] nano")
    pane.keys("Up", "Up", "Down", "Space")
    pane.sees("[x] nano", "2 versions × 2 models × 120 on support = 480 cells; baseline triage@v4")
    pane.keys("R")
    pane.sees("triage@v4 · mini", "triage* · nano", "done: 480/480 cells", seconds=90)

    pane.keys("v")
    screen = pane.sees("Verdict", "Baseline: a triage@v4 · mini", "95 % interval")
    assert any(word in screen for word in ("BETTER", "WORSE", "EQUIVALENT", "INCONCLUSIVE"))
    pane.keys("Escape")
    pane.loses("Verdict")

    pane.keys("c")
    screen = pane.sees("run/triage/", "HEAD, index and working tree stay as they are")
    pane.keys("C")
    pane.sees("saved as run/triage/")
    (line,) = places.git(folder, "tag", "-n").splitlines()
    assert line.startswith("run/triage/")
    assert "run triage on support: exact" in line
    assert places.fingerprint(folder) == before
    tag = line.split()[0]
    shown = places.git(folder, "show", tag)
    assert "Please read the ticket. Classify" in shown
    assert '"text":"billing"' in shown

    pane.keys("5")
    pane.sees("triage", tag.rpartition("-")[2])
    pane.keys("C-q")
    pane.sees("exit code 0")
