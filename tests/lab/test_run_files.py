"""A run as a file for other programs, from the command line and by itself."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer, status

from promptlab.errors import UsageFault
from promptlab.lab import Lab
from promptlab.lab.run_files import write_run
from promptlab.lab.values import RunRequest


async def test_every_answer_error_and_score_is_a_row_and_no_text_is_a_formula(tmp_path: Path) -> None:
    def reply(text: str) -> str:
        return '=HYPERLINK("x"),\n"y" [/]' if text.startswith("Label") else "It is billing."

    with LoopbackServer(reply=reply) as server:
        server.rule = lambda asked: status(400, "no") if asked.text.endswith("logo.") else None
        lab = Lab.open(places.workspace(tmp_path / "shop", server.base_url))
        plan = lab.plan(RunRequest(("triage@v1", "triage@v2")))
        table = lab.table(plan)
        async for _ in lab.run(plan, table):
            pass
        await lab.close()
    assert write_run(table, tmp_path / "run.jsonl") == 16
    rows = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert [(row["example"], row["column"]) for row in rows[:3]] == [("t1", "a"), ("t1", "b"), ("t2", "a")]
    assert rows[1]["text"] == '=HYPERLINK("x"),\n"y" [/]'
    assert rows[1]["vars"] == {"ticket": "I was charged twice."}
    assert (rows[0]["scores"]["contains"], rows[1]["scores"]["contains"], rows[1]["error"]) == (1.0, 0.0, None)
    failed = rows[-1]
    assert (failed["text"], failed["scores"]["exact"]) == ("", None)
    assert "400" in failed["error"]
    assert "400" in failed["missing"]["exact"]
    assert write_run(table, tmp_path / "run.csv") == 16
    with (tmp_path / "run.csv").open(newline="") as file:
        flat = list(csv.DictReader(file))
    assert flat[1]["text"] == '\'=HYPERLINK("x"),\n"y" [/]'
    assert (flat[0]["score contains"], flat[0]["trial"], flat[0]["tags"]) == ("1.0", "0", '["billing"]')
    assert flat[-1]["score exact"] == ""


async def test_a_file_that_is_there_stays_and_other_names_are_refused(tmp_path: Path) -> None:
    lab = Lab.open(places.workspace(tmp_path / "shop"))
    table = lab.table(lab.plan(RunRequest(("triage",))))
    (tmp_path / "run.csv").write_text("mine")
    with pytest.raises(UsageFault, match="is there already: name another file"):
        write_run(table, tmp_path / "run.csv")
    assert (tmp_path / "run.csv").read_text() == "mine"
    assert write_run(table, tmp_path / "run.csv", replace=True) == 0
    assert (tmp_path / "run.csv").read_text().startswith("run,example")
    with pytest.raises(UsageFault, match=r"\.csv or \.jsonl"):
        write_run(table, tmp_path / "run.xlsx")
