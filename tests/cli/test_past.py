"""blame and bisect from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import places
import pytest

from promptlab.cli.main import run

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def promptlab(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(folder)
    # From the wording that answers with a label to one that answers with a sentence: every ticket gets worse.
    for at, text in enumerate((places.SECOND.replace("Label this", "Label it"), places.FIRST + "# now\n", "later")):
        text = places.FIRST.replace("What is", "So what is") if text == "later" else text
        (folder / "prompts" / "triage.toml").write_text(text)
        places.git(folder, "commit", "-qam", f"step {at}")

    def command(*args: str) -> tuple[int, str, str]:
        code = run(list(args))
        return code, *capsys.readouterr()

    return command


def test_the_version_where_it_got_worse(promptlab: Command) -> None:
    examples = [word for key in places.TICKETS for word in ("--example", key)]
    code, out, err = promptlab("bisect", "triage", "-M", "exact", "--good", "v2", *examples)
    assert code == 0, err
    assert "v2: good on 8 examples, 8 cells asked; 2 versions left" in err
    assert "v3: good on 8 examples, 8 cells asked; 1 version left" in err
    assert out.startswith("v4 is the first bad version on api · exact (last good: v3)\n")
    assert "[-Label it as billing, shipping or other-]" in out or "@@ messages[0].content" in out
    assert "8 examples got worse, of those that were run on both:" in out
    code, out, _ = promptlab("bisect", "triage", "--good", "v2", *examples, "--json")
    found = json.loads(out)["bisection"]
    assert (found["first_bad"]["number"], found["asked"], len(found["flips"])) == (4, 0, 8)


def test_what_is_not_worse_is_said(promptlab: Command) -> None:
    code, out, err = promptlab("bisect", "triage", "--bad", "v2")
    assert (code, out) == (2, "")
    assert "v2 is not clearly worse than v1: 0 of 8 examples got worse, 8 better." in err


def test_blame(promptlab: Command) -> None:
    assert promptlab("run", "triage@v3", "triage")[0] == 0
    code, out, _ = promptlab("blame", "triage")
    assert code == 0
    rows = out.splitlines()
    assert rows[0].split() == ["exact", "author", "date", "line"]
    assert rows[1].startswith("v1")
    assert rows[5].startswith("v4  -1.000  Ada Tester")
    assert rows[5].endswith('content = "So what is this about? {{ ticket }}"')
    code, out, _ = promptlab("blame", "triage", "--json")
    assert [line["version"] for line in json.loads(out)["blame"]["lines"]] == ["v1", "v1", "v1", "v1", "v4"]
