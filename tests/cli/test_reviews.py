"""Reviews from the shell: nothing is written that says nothing, and a broken file is told."""

from __future__ import annotations

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
