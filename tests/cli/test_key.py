"""The key of an endpoint is in no file, log, journal, cache, commit, traceback, output or picture of a screen."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import places
import pytest
from cli.test_spending import until, workspace
from serving import Serving
from tui.sitting import Sitting, sitting

KEY = "sk-very-secret-0123456789abcdef"
FAULTS = {"500": 0.1, "drop": 0.1, "malformed": 0.1}
COMMAND = [sys.executable, "-X", "dev", "-m", "promptlab", "--show-git", "run", "say", "--yes", "--json"]

BROKEN = """
import promptlab.lab.running as running
from promptlab.cli.main import run
running.answers = None
run(["run", "say", "--yes", "--no-cache"])
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where everything is kept, below one folder."""
    monkeypatch.setenv("MY_KEY", KEY)
    for name in ("CACHE", "STATE", "LOG_DIR"):
        monkeypatch.setenv(f"PROMPTLAB_{name}", str(tmp_path / name))
    return tmp_path


def said_by(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def in_git(folder: Path) -> str:
    """Every object of the repository, unpacked."""
    places.git(folder, "gc", "-q")
    names = places.git(folder, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    found = subprocess.run(["git", "cat-file", "--batch"], cwd=folder, input=names.encode(), capture_output=True)
    return found.stdout.decode("utf-8", "replace")


def files_with(home: Path, word: str) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


def test_nothing_says_it_after_a_run_full_of_failures_a_crash_and_a_bug(home: Path) -> None:
    with Serving(faults=FAULTS, unwanted=("[a3]", "[a5]"), latency=0.01, seed=5) as server:
        folder = workspace(home / "w", server, 90, 'api_key_env = "MY_KEY"\nconcurrency = 4\n')
        killed = subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until(lambda: len(server.stats()["answers"]) > 20)
        killed.send_signal(signal.SIGABRT)  # the interpreter writes the stacks of all threads
        crash = "".join(killed.communicate())
        journals = [*(folder / ".git" / "promptlab" / "runs").glob("*/outcomes.jsonl")]
        told = [path.read_text() for path in journals]
        ended = said_by(folder, *COMMAND)
        bug = said_by(folder, sys.executable, "-c", BROKEN)
        shown = said_by(folder, sys.executable, "-m", "promptlab", "show", "last", "--json")
    assert 'File "' in crash
    assert "Traceback" in bug
    commits = in_git(folder)
    assert "[key]" in told[0], "the server's words are quoted, without the key in them"
    assert "not from you, [key]" in commits
    for text in (crash, *told, ended, bug, shown, commits):
        assert KEY not in text
    assert files_with(home / "CACHE", "a7"), "the files are looked into"
    assert files_with(home, KEY) == []


async def test_no_screen_shows_it_while_a_run_fails(home: Path) -> None:
    pictures: list[str] = []

    def looked(here: Sitting, true: bool) -> bool:
        """A look at the screen, of which a picture is kept."""
        pictures.append(here.app.export_screenshot().replace("&#160;", " "))
        return true

    def active(here: Sitting) -> bool:
        job = here.app.session.job
        return job is not None and job.active

    with Serving(faults={"400": 0.5, "500": 0.1}, latency=0.05, seed=5) as server:
        folder = workspace(home / "w", server, 60, 'api_key_env = "MY_KEY"\nconcurrency = 8\n', "ask_above = 100\n")
        async with sitting(folder) as here:
            await here.sees("say.toml")
            await here.press("R", "enter")
            await here.until(lambda: active(here))
            await here.press("3")
            await here.until(lambda: looked(here, not active(here)))
            for key in ("enter", "down", "enter", "7", "6", "4"):
                await here.press(key)
                await here.until(lambda: looked(here, True))
            assert here.app.session.job is not None
            assert here.app.session.job.progress.failed > 10
    said = [picture for picture in pictures if "not from you" in picture]
    assert said, "what the server said is shown"
    assert not [picture for picture in pictures if KEY in picture or KEY[:20] in picture]
    assert files_with(home, KEY) == []
