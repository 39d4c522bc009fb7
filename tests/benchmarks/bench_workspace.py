"""What reading, filling and watching a workspace costs beside the bare libraries.

Run it with: pytest -s -m benchmark tests/benchmarks/bench_workspace.py
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest
from benchmarks.clock import ratio
from jinja2 import Environment

from promptlab.workspace.evalsets import parse_evalset
from promptlab.workspace.templates import render
from promptlab.workspace.values import Message, Prompt
from promptlab.workspace.watch import snapshot

pytestmark = pytest.mark.benchmark


def read_examples(toml: str, jsonl: bytes, count: int) -> None:
    assert len(parse_evalset(toml.encode(), "s", "evalsets/s.toml", lambda _: jsonl).examples) == count


def test_two_thousand_examples_in_toml() -> None:
    example = '[[examples]]\nid = "e{0}"\nexpected = "billing"\ntags = ["a"]\n[examples.vars]\nticket = "{1}"\n\n'
    toml = "".join(example.format(number, "I was charged twice for one order. " * 2) for number in range(2000))
    found = ratio(
        "2,000 examples in TOML", lambda: read_examples(toml, b"", 2000), "tomllib", lambda: tomllib.loads(toml)
    )
    assert found < 3


def test_ten_thousand_examples_in_jsonl() -> None:
    case = {"vars": {"ticket": "I was charged twice"}, "expected": "billing", "tags": ["a"]}
    lines = [json.dumps({"id": number, **case}) for number in range(10_000)]
    jsonl = "\n".join(lines).encode()
    found = ratio(
        "10,000 examples in JSONL",
        lambda: read_examples('examples = "x.jsonl"\n', jsonl, 10_000),
        "json.loads a line",
        lambda: [json.loads(line) for line in lines],
    )
    assert found < 12


def test_ten_thousand_renders() -> None:
    texts = ("You route tickets. Answer with one word.", "Ticket {{ id }}:\n{{ ticket }}\nTags: {{ tags }}")
    subject = Prompt("p", "0" * 12, "prompts/p.toml", tuple(Message("user", text) for text in texts))
    templates = [Environment().from_string(text) for text in texts]
    values = [{"id": number, "ticket": "I was charged twice", "tags": "a, b"} for number in range(10_000)]
    found = ratio(
        "10,000 renders in the sandbox",
        lambda: [render(subject, one) for one in values],
        "bare jinja",
        lambda: [[template.render(one) for template in templates] for one in values],
    )
    assert found < 8


def test_looking_at_two_hundred_files(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    for number in range(200):
        (folder / f"p{number}.toml").write_text("")
    found = ratio(
        "snapshot of 200 files",
        lambda: snapshot(tmp_path),
        "os.stat of each",
        lambda: [os.stat(folder / name) for name in os.listdir(folder)],
    )
    assert found < 4
