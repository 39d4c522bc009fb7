"""``promptlab audit``."""

from __future__ import annotations

import json
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer

from promptlab.cli.main import run

JUDGE = """[judge]
scale = [1, 5]

[[messages]]
role = "user"
content = "Grade: {{ answer }}"
"""


def test_audit(
    folder: Path, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    (folder / "prompts" / "fair.toml").write_text(JUDGE)
    server.reply = lambda text: places.route(text) if "Grade" not in text else "5" if len(text) < 30 else "1"
    assert run(["audit", "fair"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("fair ")
    assert "8 answers of tickets, 56 calls" in out
    assert "passed  stability  8 of 8 answers have the same grade all 5 times" in out
    assert "warned  people     No answer was rated by people and by this judge" in out

    server.reply = lambda text: places.route(text) if "Grade" not in text else "3"
    assert run(["audit", "fair", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["failed"] is True
    assert [one["probe"] for one in said["audit"]["findings"] if one["result"] == "failed"] == ["range"]

    path = folder / "evalsets" / "tickets.toml"
    path.write_text(
        path.read_text().replace('[[metrics]]\nid = "latency"', '[[metrics]]\nid = "judge"\njudge = "fair"')
    )
    assert run(["run", "triage"]) == 0
    out = capsys.readouterr().out
    assert "  judge †  " in out
    assert "† judge: the judge fair on api failed its audit: Everything has the grade 3, nonsense too.\n" in out

    assert run(["audit", "triage"]) == 2
    assert "“triage” is no judge" in capsys.readouterr().err
