"""Reviews from the shell: nothing is written that says nothing, and a broken file is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptlab.cli.main import run


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--example t1 --grade nan", "--grade nan is no grade: give a number."),
        ("--example t1 --grade -inf", "--grade -inf is no grade: give a number."),
        ("--example t1 --note=", "--correct and --note need a text."),
        ("--undo --example t1 --thumb up", "--undo takes your last review back, whatever it is of: give it alone."),
    ],
)
def test_what_says_nothing_is_not_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, sentence: str
) -> None:
    monkeypatch.chdir(folder)
    assert run(["run", "triage"]) == 0
    assert run(["review", "last", *words.split()]) == 2
    assert capsys.readouterr().err.endswith(f"promptlab: {sentence}\n")
    assert not (folder / "reviews").exists()


def test_check_reads_the_reviews(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    path = folder / "reviews" / "tickets.jsonl"
    path.parent.mkdir()
    path.write_text("\n<<<<<<< HEAD\n")
    assert run(["check"]) == 2
    out = capsys.readouterr().out
    assert out.startswith("reviews/tickets.jsonl:2: The line is no review: ")
    assert out.endswith("Remove the marks of the merge.\n")


def test_a_file_that_is_imported_again_adds_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert run(["run", "triage"]) == 0
    assert run(["review", "last", "--example", "t1", "--thumb", "up", "--by", "Ann"]) == 0
    capsys.readouterr()
    assert run(["reviews", "export", "last"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    path = folder / "labels.jsonl"
    path.write_text("".join(json.dumps({**one, "label": ["good"]}) + "\n" for one in lines[:2]))
    command = ["reviews", "import", str(path), "last", "--by", "Ann"]
    assert run(command) == 0
    said = "1 review written to reviews/tickets.jsonl. 1 label of the file was there already.\n"
    assert capsys.readouterr().out == said
    before = (folder / "reviews" / "tickets.jsonl").read_bytes()
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": "reviews/tickets.jsonl", "written": 0, "known": 2}
    assert (folder / "reviews" / "tickets.jsonl").read_bytes() == before
