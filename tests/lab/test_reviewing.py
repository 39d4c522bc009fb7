"""What people are asked about a run, what they said, and how far its judges agree."""

from __future__ import annotations

import json
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer
from msgspec import structs

from promptlab.errors import InvalidFile, UsageFault
from promptlab.lab import Lab, RunTable
from promptlab.lab.agreeing import people, people_of
from promptlab.lab.doccano import SHAPES, Shape, export, read
from promptlab.lab.responding import responses
from promptlab.lab.reviewing import (
    NOBODY,
    Labels,
    add,
    labels_of,
    reviewer,
    reviews_of,
    take_back,
    tasks,
)
from promptlab.lab.values import RunRequest
from promptlab.workspace.reviews import Review
from promptlab.workspace.values import MetricSpec

JUDGE = """[judge]
choices = { yes = 1.0, no = 0.0 }
[[messages]]
role = "user"
content = "Right? {{ answer }}"
"""


@pytest.fixture
async def lab(folder: Path, server: LoopbackServer) -> Lab:
    (folder / "prompts" / "right.toml").write_text(JUDGE)
    text = places.evalset_text()
    start = text.index("[[examples]]")
    judge = '[[metrics]]\nid = "judge"\njudge = "right"\n'
    (folder / "evalsets" / "tickets.toml").write_text(
        text[:start].replace("[decision]", f"{judge}[decision]") + text[start:]
    )
    server.reply = lambda said: (
        ("no" if "It is" in said else "yes") if said.startswith("Right?") else places.route(said)
    )
    return Lab.open(folder)


@pytest.fixture
async def table(lab: Lab) -> RunTable:
    plan = lab.plan(RunRequest(subjects=("triage@v1", "triage@v2")))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    await lab.close()
    return table


def test_pairs_are_blind_shuffled_and_remembered(lab: Lab, table: RunTable) -> None:
    first, again, other = (tasks(table, "pairwise", seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert {task.turned for task in first} == {True, False}
    assert [task.example.id for task in first] != sorted(task.example.id for task in first)
    done: list[Review] = []
    for task in first:
        # The label alone is the candidate's answer, wherever it stands.
        done.append(task.review("pairwise", "Ann", 0.0 if task.left in places.LABELS else 1.0))
    assert {review.value for review in done} == {1.0}
    add(lab, "tickets", done[:5])
    stored = reviews_of(lab, "tickets")
    assert len(tasks(table, "pairwise", 1, stored, "Ann")) == len(first) - 5
    assert tasks(table, "pairwise", 1, stored, "Ann") == [
        t for t in first if t.example.id not in {r.example for r in stored}
    ]
    assert len(tasks(table, "pairwise", 1, stored, "Bob")) == len(first)
    take_back(lab, "tickets", stored[0], "Ann")
    assert len(reviews_of(lab, "tickets")) == 4


def test_one_column_has_no_pairs(lab: Lab, table: RunTable) -> None:
    one = lab.plan(RunRequest(subjects=("triage",)))
    with pytest.raises(UsageFault, match="there are no pairs to choose from"):
        tasks(lab.table(one), "pairwise", 1)


def test_a_label_belongs_to_the_answer_whatever_the_run(lab: Lab, table: RunTable) -> None:
    (task,) = [task for task in tasks(table, "thumb", 1) if task.example.id == "t1" and task.answer in places.LABELS]
    add(lab, "tickets", [task.review("thumb", "Ann", 1.0), task.review("thumb", "Bob", 0.0)])
    labels = Labels(reviews_of(lab, "tickets"))
    assert labels_of(table, "b", "judge", labels) == {"t1": {"Ann": 1.0, "Bob": 0.0}}
    assert labels_of(table, "a", "judge", labels) == {}


def test_agreement_and_correction(lab: Lab, table: RunTable) -> None:
    """Eight answers in each of two columns; from 20 labels on means are corrected, so not here."""
    said = [
        task.review("thumb", by, float(task.answer in places.LABELS and task.example.id != "t1"))
        for task in tasks(table, "thumb", 1)
        for by in ("Ann", "Bob")
    ]
    found = people(table, "judge", said)
    assert (found.answers, found.reviewers, found.corrected) == (16, ("Ann", "Bob"), {})
    assert found.agreement is not None
    assert found.agreement.raw == 15 / 16
    assert found.alpha == 1.0
    assert found.sentence.startswith(
        "judge against Ann, Bob: the same on 94% of 16 answers [72%, 99%], by chance 50%"
    )
    assert "; κ 0.88 [" in found.sentence
    add(lab, "tickets", said)
    assert people_of(lab, table) == [found]


def test_a_rate_comes_with_its_response_rate(lab: Lab, table: RunTable) -> None:
    asked = {(task.example.id, task.answer in places.LABELS): task for task in tasks(table, "thumb", 1)}
    pairs = {task.example.id: task for task in tasks(table, "pairwise", 1)}
    assert responses(table, []) == []
    said = [asked["t1", True].review("thumb", "Ann", 1.0), asked["t1", True].review("thumb", "Bob", 0.0)]
    said += [asked[example, True].review("thumb", "Ann", 1.0) for example in ("t2", "t3")]
    said += [asked["t1", True].review("grade", "Ann", 4.0, metric="tone")]
    said += [pairs["t1"].review("pairwise", "Ann", 1.0 if pairs["t1"].right in places.LABELS else 0.0)]
    found = responses(table, said)
    assert [(one.column, one.kind, one.metric, one.reviewed, one.answers) for one in found] == [
        ("b", "thumb", "", 3, 8),
        ("b", "grade", "tone", 1, 8),
        ("b", "pairwise", "", 1, 8),
    ]
    assert found[0].mean.mean == pytest.approx(2.5 / 3)
    assert found[0].sentence.startswith("b, thumb: right 83.3 % [")
    assert found[0].sentence.endswith("]; 3 of 8 answers reviewed (37.5 %)")
    assert found[1].sentence == "b, grade (tone): mean grade 4; 1 of 8 answers reviewed (12.5 %)"


async def test_people_are_a_metric(lab: Lab, table: RunTable) -> None:
    add(
        lab,
        "tickets",
        [task.review("thumb", "Ann", float(task.answer in places.LABELS)) for task in tasks(table, "thumb", 1)],
    )
    add(
        lab,
        "tickets",
        [task.review("pairwise", "Ann", float(task.right in places.LABELS)) for task in tasks(table, "pairwise", 1)],
    )
    specs = (MetricSpec("people", "people"), MetricSpec("people", "preferred", {"kind": "pairwise"}))
    scored = await lab.score(table.run, specs)
    thumbs, preferred = scored.verdict("b"), scored.verdict("b", "preferred")
    assert thumbs is not None
    assert (thumbs.status, thumbs.effect) == ("BETTER", 1.0)
    assert preferred is not None
    assert (preferred.status, preferred.effect) == ("BETTER", 0.5)
    assert scored.scores("b", "t1")["people"].detail == "Ann: 1"
    take_back(lab, "tickets", reviews_of(lab, "tickets")[0], "Ann")
    again = await lab.score(table.run, specs)
    missing = [s for v in "ab" for e in again.examples for s in again.scores(v, e.id).values() if s.value is None]
    assert [score.missing for score in missing] == [NOBODY]
    (lab.root / "reviews" / "tickets.jsonl").write_text("oops\n")
    with pytest.raises(InvalidFile):
        reviews_of(lab, "tickets")
    broken = await lab.score(table.run, specs)
    assert "The line is no review" in broken.scores("b", "t1")["people"].missing


async def test_corrections_are_held_against_any_answer_to_their_example(lab: Lab, table: RunTable) -> None:
    (wrong,) = [task for task in tasks(table, "thumb", 1) if task.example.id == "t1" and "It is" in task.answer]
    label = table.outcome("b", "t1")
    assert label is not None
    add(lab, "tickets", [wrong.review("correction", "Ann", text=f"{label.text}\n")])
    specs = (MetricSpec("correction_match", "match"), MetricSpec("edit_ratio", "edits"))
    known = await lab.score(table.run, specs)
    assert [known.scores(column, "t1")["match"].value for column in "ab"] == [0.0, 1.0]
    share = (len(wrong.answer) - len(label.text)) / len(wrong.answer)
    assert label.text in wrong.answer
    assert [known.scores(column, "t1")["edits"].value for column in "ab"] == [pytest.approx(share), 0.0]
    assert known.scores("b", "t2")["edits"].missing == "nobody has corrected an answer to this example"
    changed = structs.replace(reviews_of(lab, "tickets")[0], id="0" * 16, example="t2")
    add(lab, "tickets", [changed])
    other = await lab.score(table.run, specs)
    assert other.scores("b", "t2")["edits"].missing, "it was made of another content"
    (lab.root / "reviews" / "tickets.jsonl").write_text("oops\n")
    broken = await lab.score(table.run, specs)
    assert "The line is no review" in broken.scores("b", "t1")["match"].missing


def test_who_is_reviewing(lab: Lab) -> None:
    places.git(lab.root, "config", "user.name", "Ann Other")
    assert reviewer(lab) == "Ann Other"


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_goes_out_and_comes_back(table: RunTable, shape: Shape) -> None:
    task = next(task for task in tasks(table, "grade", 0) if task.example.id == "t2")
    note = f"“{task.answer[:4]}” (0–4): wrong"
    given = [
        task.review("thumb", "Ann", 1.0),
        task.review("grade", "Bob", 4.0),
        task.review("correction", "Ann", text="billing"),
        task.review("note", "Ann", text=note),
        task.review("note", "Ann", text="of the whole"),
        task.review("note", "Ann", text="“It” (²–2): digits that are no number"),
    ]
    data = export(table, shape, given)
    lines = [json.loads(line) for line in data.splitlines()]
    assert len(lines) == 16
    (mine,) = [line for line in lines if line["example"] == "t2" and line["text"] == task.answer]
    expected: dict[Shape, dict[str, object]] = {
        "classification": {"label": ["good", "4"]},
        "sequence": {"label": [[0, 4, "wrong"]]},
        "seq2seq": {"label": ["billing"]},
        "intent": {"cats": ["good", "4"], "entities": [[0, 4, "wrong"]]},
    }
    assert {key: mine[key] for key in expected[shape]} == expected[shape]
    back = read(data, "out.jsonl", shape, table, "Eve")
    kinds = {"classification": ["thumb", "grade"], "sequence": ["note"], "seq2seq": ["correction"]}
    assert [one.kind for one in back] == kinds.get(shape, ["thumb", "grade", "note"])
    assert {(one.example, one.answer, one.by) for one in back} == {("t2", given[0].answer, "Eve")}
    assert [one.text for one in back if one.kind == "note"] in ([], [note])


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("[]", "The line is no JSON object: Expected `object`, got `array`."),
        ('{"label": []}', "Expected a `text`."),
        ('{"text": "never said", "label": []}', "The run has no answer “never said”."),
        ('{"text": "billing", "label": ["good"]}', "Several examples have this answer ("),
        ('{"text": "billing", "example": "t1", "answer": "HASH", "label": ["so so"]}', "not “so so”."),
        ('{"text": "billing", "example": "t1", "answer": "HASH", "label": ["nan"]}', "not “nan”."),
    ],
)
def test_a_line_that_cannot_be_taken_stops_all(table: RunTable, line: str, sentence: str) -> None:
    task = next(task for task in tasks(table, "grade", 0) if task.example.id == "t1" and task.answer == "billing")
    line = line.replace("HASH", task.review("thumb", "x").answer)
    with pytest.raises(InvalidFile) as fault:
        read(f"{line}\n".encode(), "in.jsonl", "classification", table, "Eve")
    assert str(fault.value).startswith("in.jsonl:1: ")
    assert sentence in str(fault.value)
