"""``promptlab tokens``."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import pytest

from promptlab.cli.main import run

local = pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="the local engine is not installed")

CHAIN = """inputs = ["ticket"]

[[steps]]
name = "label"
prompt = "triage"
inputs = { ticket = "{{ ticket }}" }
"""


@pytest.fixture(autouse=True)
def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@local
def test_every_token_has_its_probability_and_what_could_stand_in_its_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["tokens", "t1", "triage@v1", "triage@v2", "-m", "nano", "--top", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["tokens"]
    assert [column["column"] for column in found["columns"]] == ["triage@v1 · nano", "triage@v2 · nano"]
    for column in found["columns"]:
        assert "".join(token["text"] for token in column["tokens"]).strip() == column["text"].strip() != ""
        logs = [token["logprob"] for token in column["tokens"]]
        assert column["perplexity"] == pytest.approx(math.exp(-sum(logs) / len(logs)))
        for token in column["tokens"]:
            best = [one["logprob"] for one in token["top"]]
            assert len(best) == 3
            assert best == sorted(best, reverse=True)
            assert sum(map(math.exp, best)) <= 1.0001
            assert token["logprob"] == best[0]  # greedy
    assert run(["tokens", "t1", "triage", "-m", "nano"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "t1 · triage@v2 · nano"
    first = found["columns"][1]["tokens"][0]
    assert lines[2].split()[:2] == [json.dumps(first["text"]), f"{math.exp(first['logprob']):.1%}"[:-1]]
    assert lines[-1].startswith(f"   perplexity {found['columns'][1]['perplexity']:.3g} over ")


def test_a_server_without_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tokens", "t1", "triage"]) == 3
    said = capsys.readouterr()
    assert said.out == "t1 · triage@v2 · api\n"
    assert said.err.strip() == "The model left log probabilities out."


def test_what_cannot_be_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tokens", "t11", "triage"]) == 2
    assert capsys.readouterr().err == "promptlab: The eval set tickets has no example “t11”. Did you mean `t1`?\n"
    (folder / "prompts" / "chained.toml").write_text(CHAIN)
    assert run(["tokens", "t1", "chained"]) == 2
    assert capsys.readouterr().err.startswith(
        "promptlab: “chained” is a chain, whose answer is not that of one question."
    )
