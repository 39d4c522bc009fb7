"""Old runs go after a preview, and only those that nothing stands on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import places
import pytest

from promptlab.cli.main import run
from promptlab.lab import storing

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def promptlab(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(folder)

    def command(*args: str) -> tuple[int, str, str]:
        code = run(list(args))
        return code, *capsys.readouterr()

    for trials in ("1", "2", "3"):
        assert command("run", "triage", "-k", trials)[0] == 0
    return command


def tags(folder: Path) -> list[str]:
    return places.git(folder, "tag").split()


def test_a_preview_then_the_deed_and_the_way_back(promptlab: Command, folder: Path) -> None:
    before, state = tags(folder), places.fingerprint(folder)
    code, out, _ = promptlab("prune", "--keep", "1", "--json")
    listed = json.loads(out)
    assert (code, listed["dropped"], len(listed["runs"])) == (0, False, 2)
    assert tags(folder) == before
    assert all(each["size"] > 500 for each in listed["runs"])
    code, out, err = promptlab("prune", "triage", "--keep", "1", "--yes")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == [each["record"]["id"] for each in listed["runs"]]
    assert len(tags(folder)) == 1
    assert places.fingerprint(folder) == state
    again = err.split("(git ")[1].split(" brings")[0]
    places.git(folder, *again.split())
    assert len(promptlab("runs")[1].splitlines()) == 1 + 2


def test_what_undoing_kept_goes_after_a_preview(promptlab: Command, folder: Path) -> None:
    newest = tags(folder)[-1]
    assert promptlab("undo", "--yes")[0] == 0
    kept = f"refs/promptlab/undone/{newest}"
    tag_object = places.git(folder, "rev-parse", kept).strip()
    code, out, err = promptlab("prune", "--undone", "--older", "1")
    assert (code, out, err) == (0, "", "Nothing that was undone is kept, or all of it is newer.\n")
    code, out, _ = promptlab("prune", "--undone", "--json")
    listed = json.loads(out)
    assert (code, listed["dropped"], [each["tag"] for each in listed["undone"]]) == (0, False, [newest])
    assert places.git(folder, "rev-parse", kept).strip() == tag_object
    code, out, err = promptlab("prune", "--undone", "--yes")
    assert (code, out.split()[3]) == (0, newest)
    assert places.git(folder, "for-each-ref", "refs/promptlab/undone/") == ""
    places.git(folder, *err.split("(git ")[1].split(" brings")[0].split())
    assert len(tags(folder)) == 3
    assert promptlab("prune", "--undone", "--keep", "1")[2].startswith("promptlab: With --undone say --older DAYS")


def test_what_a_stage_stands_on_stays(promptlab: Command, folder: Path) -> None:
    oldest = tags(folder)[0]
    assert promptlab("promote", "triage", "production", "--run", oldest)[0] == 0
    assert promptlab("prune", "--keep", "0", "--yes")[0] == 0
    assert tags(folder) == [oldest, "triage#production#1"]
    code, _, err = promptlab("prune", "--keep", "0")
    assert (code, err) == (0, "No saved run fits.\n")


def test_nothing_goes_without_a_rule_or_consent(
    promptlab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tags(folder)
    code, _, err = promptlab("prune", "--yes")
    assert code == 2
    assert "Say which runs may go: --keep N" in err
    assert "No saved run fits." in promptlab("prune", "--older", "1", "--yes")[2]
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    assert promptlab("prune", "--keep", "0")[0] == 0
    assert tags(folder) == before


def test_a_large_run_says_its_size_before_it_is_saved(promptlab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "LARGE", 1000)
    code, _, err = promptlab("run", "triage", "--set", "max_tokens=9")
    assert code == 0
    assert err.index("This run takes 0.0 MB, before git packs it.") < err.index("Committed as ")


def test_a_save_that_was_cut_short_is_done_by_the_next_run(promptlab: Command, folder: Path) -> None:
    assert promptlab("run", "triage", "--set", "max_tokens=7", "--no-commit")[0] == 0
    (unsaved,) = [each["id"] for each in json.loads(promptlab("runs", "--json")[1])["runs"] if not each.get("record")]
    record = {"run": unsaved, "subject": "triage", "tag": f"run/triage/{unsaved}"}
    (folder / ".git" / "promptlab" / "pending" / f"{unsaved}.json").write_text(json.dumps(record))
    code, _, err = promptlab("run", "triage", "--set", "max_tokens=3")
    assert code == 0
    assert f"A save that was cut short is done now: run/triage/{unsaved}." in err
    assert f"run/triage/{unsaved}" in tags(folder)
