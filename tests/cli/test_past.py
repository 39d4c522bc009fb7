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
    assert "\n▼ t1\n    {+It is about +}billing{+.+}\n" in out
    code, out, _ = promptlab("bisect", "triage", "--good", "v2", *examples, "--json")
    found = json.loads(out)["bisection"]
    assert (found["first_bad"]["number"], found["asked"], len(found["flips"])) == (4, 0, 8)


def test_what_is_not_worse_is_said(promptlab: Command) -> None:
    code, out, err = promptlab("bisect", "triage", "--bad", "v2")
    assert (code, out) == (2, "")
    assert "v2 is not clearly worse than v1: 0 of 8 examples got worse, 8 better." in err


def test_a_prompt_whose_file_is_gone_still_has_its_past(promptlab: Command, folder: Path) -> None:
    places.git(folder, "rm", "-q", "prompts/triage.toml")
    places.git(folder, "commit", "-qm", "gone")
    code, out, _ = promptlab("log", "triage")
    assert (code, out.splitlines()[0]) == (0, "triage  (its file is gone)")
    assert [row.split()[0] for row in out.splitlines()[2:]] == ["v4", "v3", "v2", "v1"]
    assert promptlab("show", "triage@v1") == (0, places.FIRST, f"triage v1 {out.splitlines()[-1].split()[1]}\n")
    assert promptlab("log", "nothing")[2].startswith("promptlab: There is no prompt “nothing”.")
    assert "There is no triage@v9: its versions are v1 to v4." in promptlab("show", "triage@v9")[2]


def test_an_edited_working_copy_is_on_top_with_its_score(promptlab: Command, folder: Path) -> None:
    (folder / "prompts" / "triage.toml").write_text(places.SECOND.replace("Label", "Label now"))
    assert promptlab("run", "triage")[0] == 0
    rows = promptlab("log", "triage")[1].splitlines()
    working = json.loads(promptlab("log", "triage", "--json")[1])["prompts"][0]["working"]
    assert rows[2].split() == ["*", working, "100.0", "%", "edited,", "not", "committed"]
    (folder / "prompts" / "triage.toml").write_text("x = [")
    assert promptlab("log", "triage")[1].splitlines()[2].split()[:2] == ["*", "invalid"]


def test_a_run_says_which_of_its_versions_have_another_number_since_a_squash(
    promptlab: Command, folder: Path
) -> None:
    ids: list[str] = []
    for subject in ("triage@v2", "triage@v3", "triage@v4"):
        ids.append(promptlab("run", "triage@v1", subject)[1].split()[1])
        assert "what was" not in promptlab("show", ids[-1])[1]
    places.git(folder, "reset", "-q", "--soft", "HEAD~3")
    places.git(folder, "commit", "-qm", "squashed")
    same, gone, moved = (promptlab("show", run)[1] for run in ids)
    assert "what was" not in same
    assert "b: what was triage@v3 then is in this branch's history no more (" in gone
    assert "b: what was triage@v4 then is triage@v3 now (" in moved


def test_numbers_are_compared_whole(promptlab: Command, folder: Path) -> None:
    file = folder / "prompts" / "triage.toml"
    file.write_text("params.temperature = 0.25\n" + file.read_text())
    assert "[-0.0-]{+0.25+}" in promptlab("diff", "triage@v4", "triage")[1]


def test_blame(promptlab: Command) -> None:
    assert promptlab("run", "triage@v3", "triage")[0] == 0
    code, out, _ = promptlab("blame", "triage")
    assert code == 0
    rows = out.splitlines()
    assert rows[0].split() == ["exact", "author", "date", "line"]
    assert rows[1].startswith("v1")
    assert rows[5].startswith("v4  -100.0 points  Ada Tester")
    assert rows[5].endswith('content = "So what is this about? {{ ticket }}"')
    code, out, _ = promptlab("blame", "triage", "--json")
    assert [line["version"] for line in json.loads(out)["blame"]["lines"]] == ["v1", "v1", "v1", "v1", "v4"]
