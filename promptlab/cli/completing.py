"""What the shell offers after a tab: names of this workspace. Nothing here may fail or speak."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click

from promptlab.errors import PromptlabError
from promptlab.lab import Lab

Completion = Callable[[click.Context, click.Parameter, str], list[str]]


def _offer(names: Callable[[Lab, str], Iterable[str]]) -> Completion:
    """A completion from names of the workspace that the command line so far works in."""

    def offer(ctx: click.Context, _: click.Parameter, word: str) -> list[str]:
        folder = ctx.find_root().params.get("workspace") or Path()
        try:
            return [name for name in names(Lab.open(folder), word) if name.startswith(word)]
        except (PromptlabError, OSError):
            return []

    return offer


def _subjects(lab: Lab, word: str) -> Iterable[str]:
    """Prompts; after the @ of one its versions and stages."""
    name, at, _ = word.partition("@")
    if at:
        stages = sorted({mark.stage for mark in lab.marks(name) if mark.stage})
        return [f"{name}@{each}" for each in [v.label for v in lab.versions(name) if v.number] + stages]
    return [row.name for row in lab.prompts()]


def _runs(lab: Lab, _: str) -> Iterable[str]:
    return ["last", *(run.id for run in lab.runs())]


subjects = _offer(_subjects)
runs = _offer(_runs)
runs_and_subjects = _offer(lambda lab, word: [*_runs(lab, word), *_subjects(lab, word)])
stages = _offer(lambda lab, _: {"production", "staging"} | {mark.stage for mark in lab.marks() if mark.stage})
models = _offer(lambda lab, _: lab.settings.models)
evalsets = _offer(lambda lab, _: lab.evalset_names())
