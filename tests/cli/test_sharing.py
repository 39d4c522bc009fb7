"""push, pull and setup from the command line: two clones of one bare repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import places
import pytest

from promptlab.cli.main import run

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bare(folder: Path, tmp_path: Path) -> Path:
    places.git(tmp_path, "clone", "-q", "--bare", str(folder), "shared.git")
    places.git(folder, "remote", "add", "origin", f"file://{tmp_path}/shared.git")
    return tmp_path / "shared.git"


@pytest.fixture
def other(bare: Path, tmp_path: Path) -> Path:
    places.git(tmp_path, "clone", "-q", f"file://{bare}", "other")
    return tmp_path / "other"


@pytest.fixture
def at(capsys: pytest.CaptureFixture[str]) -> Command:
    def command(where: Path, *args: str) -> tuple[int, str, str]:
        code = run(["-C", str(where), *args])
        return code, *capsys.readouterr()

    return command


def test_a_colleague_sees_the_run_and_the_stage(at: Command, folder: Path, other: Path) -> None:
    assert at(folder, "run", "triage@v1", "triage")[0] == 0
    assert at(folder, "promote", "triage", "production", "--run", "last")[0] == 0
    for command in ("runs", "stages"):
        code, out, err = at(other, command)
        assert (code, out) == (0, "")
        assert "A clone does not have the runs of origin, if there are any: `promptlab pull` fetches them" in err
    before = places.fingerprint(folder)
    code, out, _ = at(folder, "push")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [["to", "origin"]] * 2
    assert places.fingerprint(folder) == before

    code, out, _ = at(other, "pull")
    assert code == 0
    assert "from origin  triage#production#1" in out
    assert at(other, "runs")[1] == at(folder, "runs")[1]
    assert at(other, "stages")[1] == at(folder, "stages")[1]
    assert at(other, "show", "last")[1] == at(folder, "show", "last")[1]
    assert at(other, "show", "triage@production")[1] == places.SECOND
    code, out, err = at(other, "pull")
    assert (code, out) == (0, "")
    assert "origin and this clone have the same runs, numbers and stages." in err
    code, out, _ = at(other, "push", "--json")
    assert json.loads(out)["shared"]["sent"] == []


def test_a_clash_is_told(at: Command, folder: Path, other: Path) -> None:
    for place in (folder, other):
        assert at(place, "run", "triage")[0] == 0
        assert at(place, "promote", "triage", "production", "--run", "last")[0] == 0
    assert at(folder, "push")[0] == 0
    code, out, err = at(other, "push")
    assert code == 0
    assert "origin has another triage#production#1: yours is triage#production#2 now." in err
    assert "to origin  triage#production#2" in out


def test_setup_says_what_it_writes_and_asks(at: Command, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    config = (other / ".git" / "config").read_bytes()
    code, _, err = at(other, "setup")
    assert code == 0
    assert "remote.origin.fetch = +refs/tags/run/*:refs/promptlab/remotes/origin/run/*" in err
    assert (other / ".git" / "config").read_bytes() == config
    assert "Added." in at(other, "setup", "--yes")[2]
    assert (other / ".git" / "config").read_bytes() != config
    assert "Nothing to do" in at(other, "setup", "--yes")[2]
    assert "A clone does not" not in at(other, "runs")[2]
    places.git(other, "config", "--unset", "remote.origin.fetch", "refs/promptlab/")
    assert (other / ".git" / "config").read_bytes() == config


def test_a_clone_that_wants_no_tags_is_told_what_that_means(at: Command, other: Path) -> None:
    places.git(other, "config", "remote.origin.tagOpt", "--no-tags")
    code, _, err = at(other, "setup", "--yes")
    assert (code, err) == (
        2,
        "promptlab: This clone leaves the tags of origin alone (remote.origin.tagOpt = --no-tags), and runs are tags:"
        " `promptlab pull` fetches them; `git config --unset remote.origin.tagOpt`, and then `promptlab setup`, let"
        " `git fetch` bring them.\n",
    )


def test_a_clone_without_runs_and_stages_says_how_to_get_them(at: Command, other: Path) -> None:
    hint = "A clone does not have the runs of origin, if there are any: `promptlab pull` fetches them"
    assert hint in at(other, "show", "last")[2]
    assert at(other, "show", "triage@production")[2] == (
        "promptlab: There is no triage@production: nothing is on the stage production, and git knows no revision of"
        " that name. `promptlab promote triage@v1 production` would put a version there. `promptlab pull` fetches"
        " stages that only a remote has.\n"
    )


def test_no_remote_is_a_sentence(at: Command, folder: Path) -> None:
    code, _, err = at(folder, "push")
    assert (code, err) == (2, "promptlab: This repository has no remote: `git remote add origin URL` names one.\n")
