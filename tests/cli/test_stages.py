"""tag, promote, demote and stages from the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from promptlab.cli.main import run

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def promptlab(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(folder)

    def command(*args: str) -> tuple[int, str, str]:
        code = run(list(args))
        return code, *capsys.readouterr()

    return command


def test_a_version_goes_to_production_and_back(promptlab: Command) -> None:
    code, out, err = promptlab("stages")
    assert (code, out) == (0, "")
    assert "Nothing is on a stage." in err
    assert promptlab("run", "triage@v1", "triage")[0] == 0
    code, _, err = promptlab("promote", "triage", "production")
    assert code == 2
    assert "Say which run justifies it with --run: " in err
    code, out, _ = promptlab("promote", "triage", "production", "--run", "last")
    assert code == 0
    assert "triage@production is " in out
    assert out.endswith(": triage#production#1\n")
    code, out, _ = promptlab("stages", "triage")
    assert "triage@production  v2" in out
    assert "exact 1" in out
    assert promptlab("show", "triage@production")[1].startswith('description = "Route a ticket"')
    assert promptlab("run", "triage@v1", "triage@production")[0] == 0
    code, out, _ = promptlab("demote", "triage", "production")
    assert out.startswith("Nothing is on triage@production now")
    code, out, _ = promptlab("stages", "--all")
    assert [line.split()[0] for line in out.splitlines()] == ["tag", "triage#production#1", "triage#production!#2"]
    assert promptlab("demote", "triage", "production")[0] == 2


def test_a_number_is_pinned(promptlab: Command) -> None:
    code, out, _ = promptlab("tag", "triage@v1")
    assert code == 0
    assert out.startswith("triage@v1 is ")
    assert out.endswith(" for good: triage@v1\n")
    code, _, err = promptlab("tag", "triage@v2", "v1")
    assert code == 2
    assert "a pinned number never moves" in err


@pytest.mark.parametrize("args", [("stages",), ("stages", "--all"), ("tag", "triage@v2")])
def test_as_json(promptlab: Command, args: tuple[str, ...]) -> None:
    import json

    promptlab("tag", "triage@v1")
    code, out, _ = promptlab(*args, "--json")
    assert code == 0
    assert json.loads(out).keys() in ({"stages"}, {"marks"}, {"mark"})
