"""Planted judges: each is caught by the audit, marked, and decides nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import places
import pytest
from gguf_support import NANO
from loopback import LoopbackServer, status

from promptlab.compare.agreement import agreement
from promptlab.errors import ModelFault, UsageFault
from promptlab.lab import Lab, RunTable
from promptlab.lab.agreeing import People
from promptlab.lab.auditing import family_of, people_finding
from promptlab.lab.audits import Audit, known
from promptlab.lab.reviewing import add, tasks
from promptlab.lab.values import RunRequest

JUDGE = """[judge]
scale = [1, 5]
criterion = "The label is right."

[[messages]]
role = "user"
content = "Grade 1 to 5: {{ answer }}"
"""
PLAIN = "Grade 1 to 5: "
Grader = Callable[[str], str]


def judged(folder: Path, server: LoopbackServer, grade: Grader) -> Lab:
    """The workspace with a judge, and a model that grades so."""
    (folder / "prompts" / "fair.toml").write_text(JUDGE)
    metrics = '[[metrics]]\nid = "judge"\njudge = "fair"\n[decision]\nprimary = "judge"\n'
    text = places.evalset_text()
    start, end = text.index("[[metrics]]"), text.index("[[examples]]")
    (folder / "evalsets" / "tickets.toml").write_text(text[:start] + metrics + text[end:])
    server.reply = lambda said: grade(said.removeprefix(PLAIN)) if said.startswith(PLAIN) else places.route(said)
    return Lab.open(folder)


def fair(answer: str) -> str:
    return "5" if any(label in answer for label in places.LABELS) else "1"


def longer_wins(answer: str) -> str:
    return str(min(5, 1 + len(answer) // 10))


def results(found: Audit) -> dict[str, str]:
    return {finding.probe: finding.result for finding in found.findings}


async def test_a_fair_judge_passes(folder: Path, server: LoopbackServer) -> None:
    lab = judged(folder, server, fair)
    found = await lab.audit("fair")
    await lab.close()
    assert results(found) == {
        "replies": "passed",
        "stability": "passed",
        "padding": "passed",
        "range": "passed",
        "nonsense": "passed",
        "family": "warned",
        "people": "warned",
    }
    assert (found.answers, found.calls, found.doubt) == (8, 56, "")
    assert known(lab.journal_root() / "audits", found.content, "api") == found


DICE = random.Random(5)


@pytest.mark.parametrize(
    ("grade", "failed", "sentence"),
    [
        (lambda _: "1", ["range"], "Everything has the grade 1, nonsense too."),
        (longer_wins, ["padding"], "An empty restatement behind the answer changes its grade by +4 (p = 0.0078)."),
        (lambda _: str(DICE.randint(1, 5)), ["stability"], "answers have the same grade all 5 times; the grades"),
        (
            lambda _: "9",
            ["replies", "stability"],
            "56 of 56 replies have no grade (95 % interval 93.6% to 100.0%), such",
        ),
        (
            lambda _: "I cannot grade this.",
            ["replies", "stability"],
            "such as: no grade in the judge's reply: “I cannot",
        ),
    ],
    ids=["always the same", "longer wins", "random", "out of range", "refuses"],
)
async def test_a_planted_judge_is_caught(
    folder: Path, server: LoopbackServer, grade: Grader, failed: list[str], sentence: str
) -> None:
    lab = judged(folder, server, grade)
    found = await lab.audit("fair")
    table = await finish(lab)
    await lab.close()
    assert [finding.probe for finding in found.failed] == failed
    assert sentence in found.doubt
    verdict = table.verdict("b")
    assert verdict is not None
    assert verdict.status in ("INCONCLUSIVE", "INVALID")
    assert table.doubts == {"judge": found.doubt}


async def finish(lab: Lab) -> RunTable:
    plan = lab.plan(RunRequest(subjects=("triage@v2", "triage@v1")))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    return table


async def test_the_audit_is_what_makes_the_difference(folder: Path, server: LoopbackServer) -> None:
    lab = judged(folder, server, longer_wins)
    table = await finish(lab)
    verdict = table.verdict("b")
    assert verdict is not None
    assert verdict.status == "BETTER"
    assert table.doubts == {}
    await lab.audit("fair")
    again = lab.open_run(table.run).verdict("b")
    assert again is not None
    assert again.status == "INCONCLUSIVE"
    assert again.sentence.startswith("INCONCLUSIVE: the judge fair on api failed its audit: An empty restatement")
    assert "Its grades say: judge is " in again.sentence
    # A changed judge is another judge.
    (folder / "prompts" / "fair.toml").write_text(JUDGE.replace("is right", "is the right one"))
    fresh = lab.table(lab.plan(RunRequest(subjects=("triage@v2", "triage@v1"))))
    await lab.close()
    assert fresh.doubts == {}


async def test_what_cannot_be_audited(folder: Path, server: LoopbackServer) -> None:
    lab = judged(folder, server, fair)
    with pytest.raises(UsageFault, match="“triage” is no judge"):
        await lab.audit("triage")
    (folder / "prompts" / "other.toml").write_text(JUDGE.replace("{{ answer }}", "{{ answer }} {{ lacking }}"))
    with pytest.raises(UsageFault, match="cannot be filled with the examples of this eval set"):
        await lab.audit("other")
    empty = folder / "evalsets" / "empty.toml"
    empty.write_text('[[examples]]\nid = "a"\nvars = { ticket = "x" }\n')
    with pytest.raises(UsageFault, match=r"^The eval set empty has nothing to grade: none of its examples has"):
        await lab.audit("fair", "empty")
    server.rule = lambda _: status(401)
    with pytest.raises(ModelFault, match="56 of 56 requests had no answer"):
        await lab.audit("fair")
    await lab.close()


@pytest.mark.local
async def test_the_packaged_model_never_fails_to_grade(folder: Path, server: LoopbackServer) -> None:
    assert NANO.is_file()
    lab = judged(folder, server, fair)
    found = await lab.audit("fair", model="nano")
    await lab.close()
    assert results(found)["replies"] == "passed"
    assert found.findings[0].value == 0


# -- judges of pairs ------------------------------------------------------------------------------

PAIR = """[judge]
kind = "pairwise"

[[messages]]
role = "user"
content = "Better? A: {{ answer_a }} | B: {{ answer_b }}"
"""


def paired(folder: Path, server: LoopbackServer, prefer: Callable[[str, str], str]) -> Lab:
    lab = judged(folder, server, fair)
    (folder / "prompts" / "fair.toml").write_text(PAIR)

    def reply(said: str) -> str:
        if not said.startswith("Better? A: "):
            return places.route(said)
        return prefer(*said.removeprefix("Better? A: ").split(" | B: "))

    server.reply = reply
    return lab


def fair_choice(a: str, b: str) -> str:
    """The one with a label, better alone than among other words."""
    worth = [any(label in text for label in places.LABELS) + (text in places.LABELS) for text in (a, b)]
    return "tie" if worth[0] == worth[1] else "A" if worth[0] > worth[1] else "B"


def longer_choice(a: str, b: str) -> str:
    return "tie" if len(a) == len(b) else "A" if len(a) > len(b) else "B"


async def test_a_fair_judge_of_pairs_passes(folder: Path, server: LoopbackServer) -> None:
    lab = paired(folder, server, fair_choice)
    found = await lab.audit("fair")
    table = await finish(lab)
    await lab.close()
    assert results(found) == {
        "replies": "passed",
        "order": "passed",
        "stability": "passed",
        "nonsense": "passed",
        "padding": "passed",
        "same": "passed",
        "family": "warned",
        "people": "warned",
    }
    assert table.doubts == {}
    verdict = table.verdict("b")
    assert verdict is not None
    assert verdict.status == "WORSE"


@pytest.mark.parametrize(
    ("prefer", "failed", "sentence"),
    [
        (lambda a, b: "A", ["order", "nonsense"], "16 of 16 pairs have another winner in the other order; the first"),
        (longer_choice, ["nonsense", "padding"], "wins 8 of 8 times against itself"),
        (lambda a, b: DICE.choice(["A", "B", "tie"]), ["order"], "pairs have another winner in the other order"),
        (lambda a, b: "7", ["replies", "order", "stability"], "80 of 80 replies have no grade"),
        (lambda a, b: "I refuse.", ["replies", "order", "stability"], "such as: no grade in the judge's reply"),
    ],
    ids=["always first", "longer wins", "random", "out of range", "refuses"],
)
async def test_a_planted_judge_of_pairs_is_caught(
    folder: Path, server: LoopbackServer, prefer: Callable[[str, str], str], failed: list[str], sentence: str
) -> None:
    lab = paired(folder, server, prefer)
    found = await lab.audit("fair")
    table = await finish(lab)
    await lab.close()
    assert [finding.probe for finding in found.failed][: len(failed)] == failed
    assert sentence in found.doubt
    assert table.doubts == {"judge": found.doubt}
    verdict = table.verdict("b")
    assert verdict is not None
    assert verdict.status in ("INCONCLUSIVE", "INVALID")


def people_said(pairs: list[tuple[object, object]]) -> People:
    return People("judge", len(pairs), ("Ann",), agreement(pairs) if pairs else None, None, None, {})


@pytest.mark.parametrize(
    ("pairs", "result"),
    [
        ([], "warned"),
        ([(1, 1), (0, 0)] * 5, "warned"),
        ([(1, 1), (0, 0)] * 10, "passed"),
        ([(1, 0), (0, 1), (1, 1), (0, 0)] * 5, "failed"),
        ([(1, 1)] * 20, "passed"),
    ],
    ids=["nobody", "few", "agrees", "as by chance", "always the same"],
)
def test_a_judge_must_agree_with_people(pairs: list[tuple[object, object]], result: str) -> None:
    found = people_finding(people_said(pairs))
    assert (found.probe, found.result) == ("people", result)


async def test_an_audit_asks_what_people_said(folder: Path, server: LoopbackServer) -> None:
    lab = judged(folder, server, fair)
    table = await finish(lab)
    add(lab, "tickets", [task.review("grade", "Ann", 5.0) for task in tasks(table, "grade", 1)])
    found = await lab.audit("fair")
    await lab.close()
    said = {finding.probe: finding.sentence for finding in found.findings}["people"]
    assert said.startswith("judge against Ann: the same on ")
    assert said.endswith("20 answers or more would tell.")


@pytest.mark.parametrize(
    ("target", "family"),
    [("gpt-4.1-mini", "gpt"), ("Qwen/Qwen3-8B", "qwen"), ("models/llama.gguf", "llama"), ("7b", "")],
)
def test_families(target: str, family: str) -> None:
    assert family_of(target) == family
