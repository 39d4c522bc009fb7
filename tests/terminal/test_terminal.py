"""What only a real terminal shows: its size, other programs in it, Ctrl-C, a crash, hostile text, what is left."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer
from terminal.pane import Pane

pytestmark = [pytest.mark.tmux, pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")]
PROMPTLAB = f"{sys.executable} -m promptlab"
HOSTILE = "[INST] [/] [/red] \x1b[2J\x1b]0;owned\x07\x1b[31m 漢字 👨\u200d👩 \u202eعربي\u202c "
CRASHES = """import sys
from promptlab.__main__ import main
from promptlab.tui.app import PromptlabApp
def broken(self):
    raise RuntimeError("broken [/] on purpose")
PromptlabApp.action_help = broken
sys.exit(main())
"""


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(reply=places.route) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, server: LoopbackServer) -> Path:
    return places.workspace(tmp_path / "shop", server.base_url)


@pytest.fixture
def shell(folder: Path) -> Iterator[Callable[..., Pane]]:
    """A shell in the workspace, with what the environment is to say beyond that."""
    opened: list[Pane] = []

    def open_shell(**env: str) -> Pane:
        opened.append(Pane(["sh"], folder, (120, 40), **({"EDITOR": "../editor"} | env)))
        return opened[-1]

    yield open_shell
    for pane in opened:
        pane.__exit__()


def begin(pane: Pane, folder: Path, command: str = PROMPTLAB, words: str = "v2") -> None:
    """Start the program; the terminal's settings before and after it are kept in files outside the workspace."""
    (folder.parent / "go").write_text(
        f"stty -a > ../before\n{command}\necho code $?\nstty -a > ../after; echo over\n"
    )
    pane.type("clear; sh ../go")
    pane.keys("Enter")
    pane.sees(words)


def ended(pane: Pane, folder: Path, code: int) -> str:
    """Wait for the end; the terminal is as it was: its settings, its screen, its mouse and its cursor."""
    screen = pane.sees(f"code {code}", "over")
    assert (folder.parent / "after").read_text() == (folder.parent / "before").read_text()
    assert [pane.told(name) for name in ("alternate_on", "mouse_any_flag", "cursor_flag")] == ["0", "0", "1"]
    return screen


def test_resize_and_the_way_out(shell: Callable[..., Pane], folder: Path) -> None:
    pane = shell(NO_COLOR="1", TEXTUAL_THEME="ansi-dark")
    begin(pane, folder)
    assert pane.told("alternate_on") == "1"
    coloured = pane.coloured
    assert not any(f"\x1b[{code}m" in coloured for code in (*range(31, 37), *range(41, 48)))
    assert "^p cmds" in pane.screen.rstrip().splitlines()[-1]
    for size in ((80, 24), (60, 15)):
        pane.resize(*size)
        pane.sees("triage.toml", "? help  ^p cmds")
        lines = pane.screen.rstrip("\n").splitlines()
        assert len(lines) == size[1]
        assert lines[-1].endswith("? help  ^p cmds")
    pane.resize(50, 12)
    pane.sees("promptlab needs 60 columns and 15 lines.")
    pane.resize(120, 40)
    pane.sees("triage.toml", "8 Review", "tickets · t1")
    pane.keys("q")
    ended(pane, folder, 0)


def test_an_editor_that_saves_that_fails_and_that_is_not_there(
    shell: Callable[..., Pane], folder: Path, tmp_path: Path
) -> None:
    file, editor = folder / "prompts" / "triage.toml", tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/Label this/Sort this/" "$1"\n')
    editor.chmod(0o755)
    pane = shell()
    begin(pane, folder)
    pane.keys("e")
    pane.sees("esc leave")  # a key that follows at once may be read while the list still has the focus
    pane.keys("F4")
    pane.sees('"Sort this as billing', "│ Sort this as billing, shipping or other", "saved prompts/triage.toml")
    assert file.read_text() == places.SECOND.replace("Label", "Sort")
    editor.write_text('#!/bin/sh\nprintf "\\033[31m\\033[?25l"\necho "" > "$1"\nexit 3\n')
    pane.keys("C-g")
    pane.sees("ended with exit code 3. Nothing was changed.", "Sort this as billing")
    editor.unlink()
    pane.keys("C-g")
    pane.sees("could not be started", "Nothing was changed.", "Sort this as billing")
    pane.type("Hi ")  # the keyboard is the program's again
    pane.sees("Hi Sort this as billing", "edited")
    pane.keys("C-q")
    pane.sees("Not saved: triage.")
    pane.keys("D")
    ended(pane, folder, 0)
    assert file.read_text() == places.SECOND.replace("Label", "Sort")


def test_ctrl_c_during_a_run_and_quitting_it(
    shell: Callable[..., Pane], folder: Path, server: LoopbackServer
) -> None:
    server.latency = 300.0
    (folder / "promptlab.toml").write_text(places.settings_text(server.base_url).replace("5.0", "600.0"))
    pane = shell()
    begin(pane, folder)
    pane.keys("C-c")
    pane.sees("ctrl+q quits")
    pane.keys("r")
    pane.sees("0/5")
    pane.keys("C-c")
    pane.sees("x stops the run, ctrl+q quits")
    pane.keys("x")
    pane.sees("stopped: ")
    pane.keys("R")
    pane.sees("16 answers, against", "Cancel")
    pane.keys("Enter")
    pane.sees("0/16")
    pane.keys("C-c", "C-q")
    pane.sees("A run is going on.", "What is done is kept")
    pane.keys("Q")
    ended(pane, folder, 0)


def kept(home: Path) -> list[Path]:
    return [path for path in (home / "state").rglob("*") if path.is_file()]


def test_a_crash_gives_the_terminal_back_and_loses_no_text(
    shell: Callable[..., Pane], folder: Path, own_home: Path
) -> None:
    (folder.parent / "crashes.py").write_text(CRASHES)
    pane = shell()
    begin(pane, folder, f"{sys.executable} ../crashes.py")
    pane.keys("e")
    pane.sees("esc leave")
    pane.type("Kept. ")
    pane.sees("Kept. Label this", "edited")
    pane.keys("F1")
    assert "broken [/] on purpose" in ended(pane, folder, 1)
    begin(pane, folder, f"sh -c 'echo $$ > ../pid; exec {PROMPTLAB}'", "Brought back the unsaved text of triage")
    pane.sees("Kept. Label this")
    pane.keys("e")
    pane.sees("esc leave")
    pane.type("Twice. ")
    pane.sees("Twice. Kept. Label this")
    while not any("Twice. Kept. Label" in file.read_text("utf-8", "replace") for file in kept(own_home)):
        time.sleep(0.05)
    os.kill(int((folder.parent / "pid").read_text()), signal.SIGKILL)
    pane.sees("code 137")
    pane = shell()
    begin(pane, folder, words="Brought back the unsaved text of triage")
    pane.sees("Twice. Kept. Label this")
    pane.keys("C-q")
    pane.sees("Not saved: triage.")
    pane.keys("D")
    ended(pane, folder, 0)
    begin(pane, folder, f"sh -c 'echo $$ > ../pid; exec {PROMPTLAB}'")
    pane.keys("e")
    pane.sees("esc leave")
    pane.type("At once. ")
    pane.sees("At once. Label this")
    os.kill(int((folder.parent / "pid").read_text()), signal.SIGTERM)
    ended(pane, folder, 143)
    assert any("At once. Label" in file.read_text("utf-8", "replace") for file in kept(own_home))
    assert (folder / "prompts" / "triage.toml").read_text() == places.SECOND


def test_hostile_answers_of_a_megabyte_are_text(
    shell: Callable[..., Pane], folder: Path, server: LoopbackServer
) -> None:
    server.reply = HOSTILE + "word " * 200_000
    pane = shell(LANG="C.UTF-8")
    begin(pane, folder)
    title = pane.told("pane_title")
    pane.keys("r")
    pane.sees("done: 5/5")
    pane.keys("2")
    pane.sees("tickets · t1", "[INST] [/] [/red] ␛[2J␛]0;owned␇␛[31m 漢字")
    pane.keys("R")
    pane.sees("16 answers, against", "Cancel")
    pane.keys("Enter")
    pane.sees("done: 16/16 answers")
    screen = pane.sees("[INST] [/] [/re")
    assert "3 Results" in screen.splitlines()[0]  # nothing has cleared or scrolled the terminal
    assert pane.told("pane_title") == title
    pane.keys("q")
    pane.keys("C-q")
    ended(pane, folder, 0)


def test_terminals_and_folders_that_cannot_show_it_get_a_sentence(shell: Callable[..., Pane], folder: Path) -> None:
    pane = shell()
    begin(pane, folder, f"TERM=dumb {PROMPTLAB}", "cannot show screens. Use the commands, or set TERM.")
    ended(pane, folder, 2)
    begin(pane, folder, f"{PROMPTLAB} | cat", "terminal")
    assert "1 Prompts" not in ended(pane, folder, 0)  # cat's
    begin(pane, folder, f"{PROMPTLAB} ..", "promptlab init")
    ended(pane, folder, 2)
