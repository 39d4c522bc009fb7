"""The first minutes with the demo, by the keys that docs/first-minutes.md names: try, edit, run, read, commit."""

from __future__ import annotations

import shutil
import sys
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
RULE = "If there is no order number, answer none. "


def test_from_the_demo_to_a_better_prompt_that_is_committed(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with Pane([*PROMPTLAB, "demo", "demo"], tmp_path) as pane:
        pane.sees(
            "prompts/order.toml", "orders · o001", "nothing leaves this machine. r tries the prompt", "R  runs all"
        )

        pane.keys("r")
        pane.sees("a order@v2 · mini  exact ", " of 5", "o005  expected #807227", "done: 5/5 answers")

        pane.keys("e")
        pane.sees("esc leave")
        pane.type(RULE)
        pane.sees("If there is no order number, answer")
        pane.keys("C-r")
        pane.sees("b order* · mini  exact ", "done: 10/10 answers")
        pane.keys("Escape")
        pane.loses("esc leave")
        before = places.fingerprint(folder)
        assert not before["status"], "nothing is on disk yet"

        pane.keys("R")
        pane.sees("Run order", "[x] v2", "[x] working copy", "= 160 answers, against order@v2")
        pane.keys("Enter")
        pane.sees("order@v2 · mini", "order* · mini", "done: 160/160 answers", seconds=90)
        pane.keys("v")
        screen = pane.sees("Verdict", "Baseline: a order@v2 · mini", " % interval")
        assert any(word in screen for word in ("BETTER", "WORSE", "EQUIVALENT", "INCONCLUSIVE"))
        pane.keys("Escape")
        pane.loses("Verdict")

        pane.keys("c")
        pane.sees("run/order/", "HEAD, index and working tree stay as they are")
        pane.keys("C")
        pane.sees("saved as run/order/", "The text of order is not committed yet: 1, then c.")
        assert places.fingerprint(folder) == before
        (line,) = places.git(folder, "tag", "-n").splitlines()
        assert "run order on orders: exact" in line
        shown = places.git(folder, "show", line.split()[0])
        assert f"{RULE}Extract" in shown
        assert '"text":"11476"' in shown

        pane.keys("1", "c")
        pane.sees("Commit order", "order: reword the user message", "On mini: ")
        pane.keys("C-s")
        pane.sees("as order@v3. mini: ", "u takes it")
        assert RULE in places.git(folder, "show", "HEAD:prompts/order.toml")
        assert places.git(folder, "status", "--porcelain") == ""

        pane.keys("q")
        pane.sees("exit code 0")
