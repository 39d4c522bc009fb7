"""Scores by different scorers are never mixed silently."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from msgspec import structs

from promptlab.errors import UsageFault
from promptlab.lab import Lab
from promptlab.lab.comparing import compare
from promptlab.lab.values import RunRequest
from promptlab.scoring.families import answers
from promptlab.workspace.patterns import Match, search


async def saved(folder: Path, metrics: str, version: int = 1) -> str:
    """A saved run of the newest prompt with these metrics; ``version`` is that of the definition of ``exact``."""
    path = folder / "evalsets" / "tickets.toml"
    text = path.read_text()
    path.write_text(metrics + text[text.index("[[examples]]") :])
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=("triage",)))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    if "exact" in table.versions:
        table.versions["exact"] = version
    lab.save(table.run)
    await lab.close()
    return table.run


REGEX = '[[metrics]]\nid = "exact"\n[[metrics]]\nid = "regex"\nname = "form"\npattern = "{}"\n'


async def test_other_options_make_another_score(folder: Path) -> None:
    one, other = await saved(folder, REGEX.format("b")), await saved(folder, REGEX.format("c"))
    comparison = Lab.open(folder).compare(one, other)
    assert [verdict.metric for verdict in comparison.verdicts] == ["exact"]
    assert comparison.notes == (
        "form is left out: the two runs scored it by different options, definitions or judges.",
    )


async def test_another_version_of_a_definition_makes_another_score(folder: Path) -> None:
    exact = '[[metrics]]\nid = "exact"\n'
    one = await saved(folder, exact, version=7)
    other = await saved(folder, f'{exact}[[metrics]]\nid = "length"\n')
    lab = Lab.open(folder)
    assert lab.open_run(one).versions == {"exact": 7}
    with pytest.raises(UsageFault, match=r"scored by different definitions or judges: exact\."):
        lab.compare(one, other)


async def test_another_model_file_of_the_same_name_is_said(folder: Path) -> None:
    exact = '[[metrics]]\nid = "exact"\n'
    one = await saved(folder, exact)
    same = await saved(folder, exact)
    lab = Lab.open(folder)
    assert lab.compare(one, same).notes == ()
    before, after = lab.open_run(one), lab.open_run(same)
    (changed,) = (structs.replace(variant, identity="another file") for variant in after.variants)
    after.variants = (changed,)
    notes = compare(before, "a", after, "a").notes
    assert notes == (
        f"{changed.model} is not the same model in the two runs: its file, or where it answers, has changed.",
    )


async def test_a_search_that_takes_long_holds_up_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, heard = threading.Event(), threading.Event(), list[bool]()

    def slow(pattern: str, text: str, *, full: bool = False) -> Match | None:
        begun.set()
        heard.append(go_on.wait(20))
        return search(pattern, text, full=full)

    async def screen() -> None:
        while not begun.is_set():
            await asyncio.sleep(0.01)
        go_on.set()

    monkeypatch.setattr(answers, "search", slow)
    other = asyncio.create_task(screen())
    await saved(folder, REGEX.format("b"))
    await other
    assert heard
    assert all(heard)
