"""Own metrics in a run: never before they are trusted, and never as other code than was trusted."""

from __future__ import annotations

from pathlib import Path

import places
import pytest
from loopback import LoopbackServer

from promptlab.errors import NotFound, UsageFault
from promptlab.lab import Lab, RunTable
from promptlab.lab.values import RunRequest

BOTH = RunRequest(("triage@v1", "triage"))
CODE = "def score(example, output):\n    return output == example['expected']\n"


@pytest.fixture
def own(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "state"))
    (folder / "metrics").mkdir()
    (folder / "metrics" / "own.py").write_text(CODE)
    text = places.evalset_text().replace(
        '[[metrics]]\nid = "exact"\n',
        '[[metrics]]\nid = "python"\nname = "own"\npython = "metrics/own.py:score"\nbinary = true\n'
        '[[metrics]]\nid = "exact"\n',
    )
    (folder / "evalsets" / "tickets.toml").write_text(text.replace('primary = "exact"', 'primary = "own"'))
    return folder


def trust(lab: Lab) -> None:
    for code in lab.untrusted_code():
        lab.trust_code(code)


async def run(lab: Lab, request: RunRequest = BOTH) -> RunTable:
    plan = lab.plan(request)
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    return table


async def test_nothing_runs_before_it_is_trusted(own: Path, server: LoopbackServer) -> None:
    lab = Lab.open(own)
    with pytest.raises(UsageFault) as fault:
        lab.plan(BOTH)
    assert str(fault.value) == (
        "metrics/own.py is Python that this workspace runs to score answers, and you have not trusted it as it is "
        "now. Read it, then run `promptlab trust`."
    )
    trust(lab)
    assert lab.untrusted_code() == []
    table = await run(lab)
    assert table.infos["own"].kind == "binary"
    assert all(table.value(c, e.id, "own") == table.value(c, e.id, "exact") for c in "ab" for e in table.examples)
    verdict = table.verdict("b")
    assert verdict is not None
    assert (verdict.status, verdict.metric) == ("BETTER", "own")
    saved = lab.save(table.run)
    assert places.git(own, "show", f"{saved.tag}:metrics/own.py") == CODE
    assert Lab.open(own).open_run(saved.tag).verdict("b") == verdict
    await lab.close()


async def test_changed_code_asks_again_and_makes_other_scores(own: Path) -> None:
    lab = Lab.open(own)
    trust(lab)
    before = await run(lab)
    lab.save(before.run)
    (own / "metrics" / "own.py").write_text(CODE.replace("==", "!="))
    with pytest.raises(UsageFault, match="you have not trusted it as it is now"):
        lab.plan(BOTH)
    with pytest.raises(UsageFault, match="you have not trusted it as it is now"):
        await lab.score(before.run, before.metrics)
    trust(lab)
    after = await run(lab)
    assert after.value("b", "t1", "own") == 0.0
    assert lab.same_run(lab.plan(BOTH)) is None
    comparison = lab.compare(f"{before.run}:b", f"{after.run}:b")
    assert comparison.notes[0].startswith("own is left out: the two runs scored it by different")
    await lab.close()


async def test_a_run_is_scored_again_without_asking_a_model(own: Path, server: LoopbackServer) -> None:
    lab = Lab.open(own)
    trust(lab)
    table = await run(lab)
    asked = server.count.total()
    (own / "metrics" / "own.py").write_text("def score(example, output):\n    return len(output) % 2\n")
    trust(lab)
    again = await lab.score(table.run, lab.evalset().metrics)
    assert again.value("b", "t1", "own") == len("billing") % 2
    assert server.count.total() == asked
    await lab.close()


async def test_until_clear_goes_by_own_code_too(own: Path) -> None:
    lab = Lab.open(own)
    trust(lab)
    table = await run(lab, RunRequest(BOTH.subjects, until_clear=True))
    verdict = table.verdict("b")
    assert verdict is not None
    assert verdict.n == 8
    await lab.close()


def test_a_file_that_is_not_there_or_outside(own: Path) -> None:
    (own / "metrics" / "own.py").unlink()
    with pytest.raises(NotFound, match=r"metrics/own\.py"):
        Lab.open(own).plan(BOTH)
    (own.parent / "outside.py").write_text(CODE)
    (own / "metrics" / "own.py").symlink_to(own.parent / "outside.py")
    with pytest.raises(Exception, match=r"metrics/own\.py") as fault:
        Lab.open(own).plan(BOTH)
    assert "Error" not in type(fault.value).__name__
