"""commit, undo and --show-git from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import places
import pytest

from promptlab.cli.main import run
from promptlab.history.calls import masked, note, recent_calls

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def promptlab(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(folder)
    (folder / "prompts" / "triage.toml").write_text(places.FIRST)

    def command(*args: str) -> tuple[int, str, str]:
        code = run(list(args))
        return code, *capsys.readouterr()

    return command


def answers(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: answer)


def test_a_commit_is_shown_asked_for_and_taken_back(
    promptlab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = places.git(folder, "rev-parse", "HEAD")
    answers(monkeypatch, "n")
    code, out, err = promptlab("commit", "triage")
    assert code == 4
    assert out.startswith("── prompts/triage.toml (edited)\n@@ messages[0].content\n")
    assert "Message:\n    triage: reword the user message" in err
    answers(monkeypatch, "e")
    monkeypatch.setattr(click, "edit", lambda text: f"{text}, as Ann asked\n")
    code, out, _ = promptlab("commit")
    assert (code, out.splitlines()[-1][9:]) == (0, "triage: reword the user message, as Ann asked")
    code, out, err = promptlab("undo", "--yes")
    assert "Undoing it: main goes back to " in err
    assert out.endswith("`git reflog` knows it.\n")
    assert places.git(folder, "rev-parse", "HEAD") == head
    assert promptlab("undo")[2] == "promptlab has done nothing here that could be undone.\n"


def test_what_a_hook_said_is_shown(promptlab: Command, folder: Path) -> None:
    hook = folder / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho 'prompts need a \x1b[31mreview'\nexit 1\n")
    hook.chmod(0o755)
    code, _, err = promptlab("commit", "--yes", "-m", "one")
    assert code == 2
    assert "prompts need a ␛[31mreview\npromptlab: Git made no commit." in err


def test_as_json_nothing_is_done_without_yes(promptlab: Command, folder: Path) -> None:
    code, out, _ = promptlab("commit", "--json")
    shown = json.loads(out)
    assert (code, shown["message"], shown["commit"]) == (0, "triage: reword the user message", None)
    made = json.loads(promptlab("commit", "--json", "--yes", "-m", "one")[1])["commit"]
    assert made["commit"] == places.git(folder, "rev-parse", "HEAD").strip()
    assert json.loads(promptlab("undo", "--json")[1])["undone"] == ""
    places.git(folder, "commit", "-q", "--allow-empty", "-m", "after")
    code, _, err = promptlab("undo")
    assert code == 2
    assert "It cannot be undone. HEAD is no longer the commit " in err


def test_the_git_commands_are_told_on_request(promptlab: Command) -> None:
    code, _, err = promptlab("--show-git", "log", "triage")
    assert code == 0
    assert " ms    0  git rev-parse --is-bare-repository " in err


def test_secrets_are_not_in_the_log_of_git_commands() -> None:
    note(["push", "https://ann:hunter2@example.com/x.git", "a b"], 0.0, 128, "fatal: https://t0ken@host/ is no\n")
    call = recent_calls()[-1]
    assert call.command == "git push https://•••@example.com/x.git 'a b'"
    assert call.said == "fatal: https://•••@host/ is no"
    assert masked("-c http.extraHeader=Authorization: Basic abc") == "-c http.extraHeader=•••"


def test_of_an_eval_set_the_lines_next_to_the_change_are_shown(promptlab: Command, folder: Path) -> None:
    file = folder / "evalsets" / "tickets.toml"
    file.write_text("# first\n" + "".join(f"# row {n} of it\n" for n in range(20)) + file.read_text())
    places.git(folder, "commit", "-qam", "comments")
    file.write_text(file.read_text().replace("row 10 of", "row ten of"))
    code, out, _ = promptlab("commit", "tickets", "--yes")
    assert code == 0
    assert out.splitlines()[:9] == [
        "── evalsets/tickets.toml (edited)",
        "@@ file",
        "…",
        "# row 8 of it",
        "# row 9 of it",
        "# row [-10-]{+ten+} of it",
        "# row 11 of it",
        "# row 12 of it",
        "…",
    ]
