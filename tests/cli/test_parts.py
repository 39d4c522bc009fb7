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
        "promptlab: --example, --by and --confusion are different views: give one of them.\n",
    )
    assert said(capsys, "show", "last", "--metric", "exact")[::2] == (2, "promptlab: --metric goes with --by.\n")
