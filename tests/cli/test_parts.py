"""``promptlab show RUN --by`` and ``--confusion``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptlab.cli.main import run


def said(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = run(list(args))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_parts_and_confusion(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert said(capsys, "run", "triage@v1", "triage")[0] == 0

    code, out, _ = said(capsys, "show", "last", "--by", "tag")
    assert code == 0
    assert "shipping         3  b  100.0 % [28.2, 100.0]  +100.0 points [" in out
    assert "], 3 better, 0 worse" in out
    parts = json.loads(said(capsys, "show", "last", "--by", "tag", "--metric", "latency", "--json")[1])
    assert parts["breakdown"]["metric"] == "latency"
    assert len(parts["breakdown"]["parts"]) == 6

    code, out, _ = said(capsys, "show", "last", "--confusion")
    assert code == 0
    assert "b triage@v2 · api: right label down, answer across\n" in out
    assert "\nshipping        ·         3      ·        ·\n" in out
    matrix = json.loads(said(capsys, "show", "last", "--confusion", "--json")[1])["confusion"]
    assert matrix[0]["counts"] == [[0, 0, 0, 3], [0, 0, 0, 3], [0, 0, 0, 2]]

    assert said(capsys, "show", "last", "--confusion", "--by", "tag")[::2] == (
        2,
        "promptlab: --example, --by, --pairs, --changes and --confusion are different views: give one of them.\n",
    )
    assert said(capsys, "show", "last", "--metric", "exact")[::2] == (
        2,
        "promptlab: --metric goes with --by, --pairs or --changes.\n",
    )
    code, out, _ = said(capsys, "show", "last", "--changes")
    assert code == 0
    assert out.startswith("   example     exact before    after\n▲  t1       b         0.0 %  100.0 %\n")
    assert out.endswith("the same: 0 cells\n")
    assert said(capsys, "show", "last", "--pairs")[::2] == (
        2,
        "promptlab: All pairs need three columns or more; this run has 2 columns.\n",
    )


def test_a_run_is_exported_and_a_file_is_not_overwritten(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert said(capsys, "run", "triage", "--no-commit")[0] == 0
    assert said(capsys, "export", "last", "run.csv")[::2] == (0, "Wrote 8 rows to run.csv.\n")
    assert (folder / "run.csv").read_text().startswith("run,example,tags,vars,expected,column,")
    code, _, err = said(capsys, "export", "last", "run.csv")
    assert (code, err) == (2, "promptlab: run.csv is there already: name another file, or replace it with --force.\n")
    assert said(capsys, "export", "last", "run.csv", "--force")[0] == 0
    assert "--model goes with a prompt or chain" in said(capsys, "export", "last", "run.csv", "-m", "api")[2]
    assert "in .toml for a prompt or chain, in .csv or .jsonl" in said(capsys, "export", "last", "run.xlsx")[2]


def test_all_pairs(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(folder)
    prompt = folder / "prompts" / "triage.toml"
    prompt.write_text(prompt.read_text().replace("Label this as", "Label this as one of"))
    assert said(capsys, "run", "triage@v1", "triage", "triage@v2")[0] == 0
    code, out, _ = said(capsys, "show", "last", "--pairs")
    assert code == 0
    assert "b against a  BETTER        +100.0 points [" in out
    assert "c against b  INCONCLUSIVE  +0.0 points [" in out
    assert "Only 8 examples with a score in every column: the order is a guess." in out
    ranking = json.loads(said(capsys, "show", "last", "--pairs", "--metric", "contains", "--json")[1])["ranking"]
    assert [len(ranking[part]) for part in ("pairs", "standings", "notes")] == [3, 3, 2]


def test_trusting_own_metrics(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "state"))
    (folder / "metrics").mkdir()
    (folder / "metrics" / "own.py").write_text("def score(example, output):\n    return len(output) < 20\n")
    entry = '[[metrics]]\nid = "python"\nname = "short"\npython = "metrics/own.py:score"\nbinary = true\n'
    tickets = folder / "evalsets" / "tickets.toml"
    tickets.write_text(tickets.read_text().replace("[decision]", f"{entry}[decision]"))
    code, _, err = said(capsys, "run", "triage")
    assert (code, "Read it, then run `promptlab trust`." in err) == (2, True)
    code, _, err = said(capsys, "trust", "--yes")
    assert (code, err.startswith("Trusted: metrics/own.py may run as it is now (")) == (0, True)
    assert said(capsys, "trust")[2] == "Nothing here needs to be trusted.\n"
    code, out, _ = said(capsys, "run", "triage", "--no-commit", "--json")
    assert code == 0
    assert json.loads(out)["run"]["columns"][0]["metrics"]["short"]["mean"] == 1.0
