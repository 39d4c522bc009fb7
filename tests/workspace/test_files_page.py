"""docs/files.md names every key that the code reads, and shows none that it refuses."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from promptlab.workspace import evalsets, prompts, settings
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.reviews import Review
from promptlab.workspace.settings import parse_settings

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]}


def tables(module: object) -> Iterable[str]:
    """Every key of every table that a module of the workspace checks: its dictionaries of checks."""
    for name, value in vars(module).items():
        if re.fullmatch("_?[A-Z]+", name) and isinstance(value, dict) and all(map(callable, value.values())):
            yield from value


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ("promptlab.toml", {*tables(settings)}),
        ("prompts/NAME.toml", {*tables(prompts)}),
        ("evalsets/NAME.toml", {*tables(evalsets)}),
        ("reviews/EVALSET.jsonl", {field.name for field in msgspec.structs.fields(Review)}),
    ],
)
def test_every_key_is_on_the_page(section: str, keys: set[str]) -> None:
    assert len(keys) > 10
    code = re.findall(r"```toml\n.*?```|`[^`]+`", SECTIONS[section], re.DOTALL)
    assert keys - {*re.findall(r"\w+", " ".join(code))} == set()


def test_what_the_page_shows_is_read() -> None:
    """Each block is a file, or a table of one."""
    blocks = {title: re.findall(r"```toml\n(.*?)```", part, re.DOTALL) for title, part in SECTIONS.items()}
    (config,) = blocks["promptlab.toml"]
    assert {"mini", "gpt"} == parse_settings(config.encode()).models.keys()
    prompt, judge = blocks["prompts/NAME.toml"]
    assert parse_prompt(prompt.encode(), "triage", "triage.toml").output is not None
    message = '[[messages]]\nrole = "user"\ncontent = "{{ answer }}"\n'
    assert parse_prompt((judge + message).encode(), "judge", "judge.toml").judge is not None
    (evalset,) = blocks["evalsets/NAME.toml"]
    document = tomllib.loads(evalset)
    assert document["examples"] == "support.jsonl"
    assert len(document["decision"]["guardrails"]) == 2
