"""Looking through an eval set, changing its examples and settings in its files, importing more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import places
import pytest
from msgspec import structs

from promptlab.errors import InvalidFile, PromptlabError, UsageFault
from promptlab.lab import Lab
from promptlab.lab.evalset_settings import change_setting, new_setting, settings_of
from promptlab.lab.example_marks import retagged, splits_of
from promptlab.lab.examples import (
    ExampleList,
    change_examples,
    free_ids,
    matching,
    new_evalset,
    read_examples,
)
from promptlab.lab.importing import Import, read_import
from promptlab.workspace.example_files import ExampleEdits
from promptlab.workspace.values import Example

LINES = """\
{"id": "a1", "vars": {"t": "One"},  "expected": "x", "tags": ["p", "q"], "split": "dev"}

{"vars":{"t":"Two"},"id":"a2","expected":"ü","odd spacing":null}
{"id": "a3", "vars": {"t": " one "}, "expected": 3, "group": "g"}
""".replace(',"odd spacing":null', "")
SET = """\
# Ours.
examples = "cases.jsonl"

[[metrics]]
id = "exact"   # strict

[decision]
min_effect = 0.05       # a twentieth
"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    folder = places.workspace(tmp_path / "shop")
    (folder / "evalsets" / "cases.toml").write_text(SET)
    (folder / "evalsets" / "cases.jsonl").write_text(LINES)
    return Lab.open(folder)


def cases(lab: Lab) -> ExampleList:
    return read_examples(lab, "cases")


def example(lab: Lab, id: str) -> Example:
    return next(one for one in cases(lab).evalset.examples if one.id == id)


def test_a_search_looks_at_texts_and_fields(lab: Lab) -> None:
    there = cases(lab)
    assert there.twins == {"a3": "a1"}
    assert there.with_tag() == {"p": 1, "q": 1}
    assert there.in_split() == {"": 2, "dev": 1}
    found = {
        query: [there.evalset.examples[index].id for index in matching(there, query)]
        for query in (
            "",
            "ONE",
            "tag:p",
            "split:dev one",
            "group:g",
            "id:a",
            "-tag:p",
            "is:duplicate",
            "ü",
            "nothing",
        )
    }
    assert found == {
        "": ["a1", "a2", "a3"],
        "ONE": ["a1", "a3"],
        "tag:p": ["a1"],
        "split:dev one": ["a1"],
        "group:g": ["a3"],
        "id:a": ["a1", "a2", "a3"],
        "-tag:p": ["a2", "a3"],
        "is:duplicate": ["a3"],
        "ü": ["a2"],
        "nothing": [],
    }


def test_an_edit_changes_its_line_and_undo_brings_it_back(lab: Lab) -> None:
    seen = cases(lab).evalset
    new = structs.replace(example(lab, "a2"), vars={"t": "Zwei"}, tags=("p",))
    edits = ExampleEdits({"a2": new}, frozenset({"a3"}), (Example("a4", {"t": "Four"}),))
    change_examples(lab, seen, edits, "changed a2")
    lines = LINES.split("\n")
    assert (lab.root / "evalsets" / "cases.jsonl").read_text() == "\n".join(
        [
            lines[0],
            "",
            '{"vars":{"t":"Zwei"},"id":"a2","expected":"ü","tags":["p"]}',
            '{"id": "a4", "vars": {"t": "Four"}}',
            "",
        ]
    )
    last = lab.last_action()
    assert last is not None
    assert last.done == "changed a2 in evalsets/cases.jsonl"
    lab.undo(last)
    assert (lab.root / "evalsets" / "cases.jsonl").read_text() == LINES


def test_of_a_large_file_only_the_part_that_changed_is_remembered(lab: Lab) -> None:
    file = lab.root / "evalsets" / "cases.jsonl"
    many = "".join(json.dumps({"id": f"n{at}", "vars": {"t": "word " * 20}}) + "\n" for at in range(1000))
    file.write_text(many)
    change_examples(lab, cases(lab).evalset, ExampleEdits(gone=frozenset({"n500"})), "deleted n500")
    assert len(cases(lab).evalset.examples) == 999
    assert (lab.journal_root() / "actions.jsonl").stat().st_size < 2000
    last = lab.last_action()
    assert last is not None
    lab.undo(last)
    assert file.read_text() == many


def test_examples_in_the_eval_set_itself_keep_its_comments(lab: Lab) -> None:
    file = lab.root / "evalsets" / "tickets.toml"
    before = file.read_text().replace('id = "t2"', 'id = "t2" # parcels')
    file.write_text(before)
    seen = lab.evalset("tickets")
    new = structs.replace(seen.examples[1], vars={"ticket": "Lost?", "tone": "sad"}, tags=())
    change_examples(lab, seen, ExampleEdits({"t2": new}, frozenset({"t8"})), "changed t2")
    text = file.read_text()
    assert (
        'id = "t2" # parcels\nvars = { ticket = "Lost?", tone = "sad" }\nexpected = "shipping"\n[[examples]]' in text
    )
    assert [one.id for one in lab.evalset("tickets").examples] == [f"t{at}" for at in range(1, 8)]


def test_what_would_lose_somebody_elses_edit_is_refused(lab: Lab) -> None:
    seen = cases(lab).evalset
    file = lab.root / "evalsets" / "cases.jsonl"
    file.write_text(LINES.replace("Two", "Deux"))
    with pytest.raises(UsageFault, match=r"cases\.jsonl: a2 was changed on disk meanwhile"):
        change_examples(lab, seen, ExampleEdits(gone=frozenset({"a2"})), "deleted a2")
    change_examples(lab, seen, ExampleEdits(gone=frozenset({"a3"})), "deleted a3")
    assert '"t":"Deux"' in file.read_text()
    with pytest.raises(UsageFault, match="at least one example"):
        change_examples(lab, cases(lab).evalset, ExampleEdits(gone=frozenset({"a1", "a2"})), "deleted two")
    twice = ExampleEdits({"a2": structs.replace(example(lab, "a2"), id="a1")})
    with pytest.raises(InvalidFile, match="`a1` is used twice"):
        change_examples(lab, cases(lab).evalset, twice, "renamed a2")


def setting(lab: Lab, label: str, nth: int = 0) -> Callable[[str], None]:
    evalset = cases(lab).evalset
    found = [one for one in settings_of(lab, evalset) if one.label == label][nth]
    return lambda text: change_setting(lab, "cases", found, text)


def test_settings_change_line_by_line(lab: Lab) -> None:
    file = lab.root / "evalsets" / "cases.toml"
    setting(lab, "min_effect")("0.1")
    setting(lab, "trials")("3")
    setting(lab, "primary")("exact")
    evalset = cases(lab).evalset
    change_setting(
        lab, "cases", new_setting(evalset, "metric", ""), '{ id = "regex", name = "polite", pattern = "^Hi" }'
    )
    change_setting(lab, "cases", new_setting(evalset, "guardrail", ""), "polite margin 0.03")
    setting(lab, "metric", 1)('{ id = "regex", name = "polite", pattern = "^Hello" }')
    assert (
        file.read_text()
        == SET.replace("0.05  ", "0.1  ").replace(
            'id = "exact"   # strict\n',
            'id = "exact"   # strict\n\n[[metrics]]\nid = "regex"\nname = "polite"\npattern = "^Hello"\n',
        )
        + 'trials = 3\nprimary = "exact"\nguardrails = [{ metric = "polite", margin = 0.03 }]\n'
    )
    setting(lab, "guardrail")("")
    setting(lab, "trials")("")
    assert [(one.label, one.text) for one in settings_of(lab, cases(lab).evalset) if one.given] == [
        ("primary", "exact"),
        ("min_effect", "0.1"),
        ("metric", "exact"),
        ("metric", '{ id = "regex", name = "polite", pattern = "^Hello" }'),
    ]


@pytest.mark.parametrize(
    ("label", "text", "words"),
    [
        ("alpha", "often", "alpha: expected a number, such as 0.05"),
        ("alpha", "0.7", "decision.alpha: Expected a number above 0, at most 0.5"),
        ("primary", "exakt", "Did you mean `exact`?"),
        ("metric", "exakt", "There is no metric `exakt`. Did you mean `exact`?"),
        ("metric", "{ id = ", "A metric is an id such as exact"),
    ],
)
def test_a_setting_that_would_be_wrong_is_refused(lab: Lab, label: str, text: str, words: str) -> None:
    with pytest.raises(PromptlabError) as fault:
        setting(lab, label)(text)
    assert words in str(fault.value)
    assert (lab.root / "evalsets" / "cases.toml").read_text() == SET


def test_a_line_that_moved_on_disk_and_faults_that_were_there_before(lab: Lab) -> None:
    file = lab.root / "evalsets" / "cases.toml"
    take_out = setting(lab, "metric")
    file.write_text(SET.replace('id = "exact"', 'id = "contains"'))
    with pytest.raises(UsageFault, match="metric was changed on disk meanwhile"):
        take_out("")
    file.write_text(SET + '[[metrics]]\nid = "judge"\njudge = "judges/none"\n')
    setting(lab, "alpha")("0.01")
    with pytest.raises(InvalidFile, match="There is no metric `exakt`"):
        setting(lab, "metric")("exakt")
    assert cases(lab).evalset.decision.alpha == 0.01


def imported(lab: Lab, name: str, text: str) -> Import:
    path = lab.root / name
    path.write_text(text)
    return read_import(path, cases(lab))


def test_an_import_says_what_it_would_add(lab: Lab) -> None:
    csv = 'id,t,expected,tags,note\na1,"New, one",y,"p; q",n\n,TWO,,,\na9,One,x,"p,q",\n'
    found = imported(lab, "more.csv", csv)
    assert [(one.id, one.vars["t"], one.tags) for one in found.new] == [
        ("a10", "New, one", ("p", "q")),
        ("a11", "TWO", ()),
        ("a9", "One", ("p", "q")),
    ]
    assert found.renamed == {"a1": "a10"}
    assert found.strange == ("note",)
    assert found.fields == ("expected", "tags")
    lines = '{"id": 7, "t": "Seven", "expected": {"n": 1}}\n{"id": "a2", "vars": {"t": "Two"}, "expected": "ü"}\n'
    found = imported(lab, "more.jsonl", lines)
    assert [(one.id, one.expected) for one in found.new] == [("7", {"n": 1})]
    assert found.known == 1
    change_examples(lab, cases(lab).evalset, ExampleEdits(new=found.new), "imported 1 example")
    assert example(lab, "7").vars == {"t": "Seven"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("x.csv", "a,a\n1,2\n", "x.csv:1: The first line must name every column, each differently."),
        ("x.csv", "a,b\n1,2,3\n", "x.csv:2: The line has more cells than the first line has names."),
        ("x.csv", "", "The file has no examples."),
        ("x.jsonl", "{}\n[1]\n", "x.jsonl:2: Expected one JSON object on the line."),
        ("x.jsonl", '{"tags": 3}\n', "x.jsonl:1: The line is no example:"),
        ("x.jsonl", "\n", "The file has no examples."),
    ],
)
def test_a_file_that_is_no_import_is_a_sentence(lab: Lab, name: str, text: str, words: str) -> None:
    with pytest.raises(InvalidFile) as fault:
        imported(lab, name, text)
    assert words in str(fault.value)


def test_new_eval_sets(lab: Lab) -> None:
    new_evalset(lab, "fresh")
    assert len(lab.evalset("fresh").examples) == 2
    new_evalset(lab, "more/own", [Example("1", {"t": "x"})])
    assert lab.evalset("more/own").files == ("evalsets/more/own.toml", "evalsets/more/own.jsonl")
    for name, words in (("fresh", "already"), ("../out", "cannot be")):
        with pytest.raises(UsageFault, match=words):
            new_evalset(lab, name)


def test_ids_go_on_as_they_were() -> None:
    assert free_ids(["s001", "s120", "x"], 2) == ["s121", "s122"]
    assert free_ids(["9", "10"], 1) == ["11"]
    assert free_ids([], 1) == ["e001"]


def test_tags_are_set_added_and_taken_away() -> None:
    assert retagged(("a", "b"), "+c -a") == ("b", "c")
    assert retagged(("a",), "x, very late, x") == ("x", "very late")
    assert retagged(("a",), "") == ()


def test_splits_by_name_and_by_share() -> None:
    rows = [Example(f"e{at}", group=f"g{at // 2}") for at in range(400)]
    assert splits_of(rows[:2], "dev") == {"e0": "dev", "e1": "dev"}
    assert splits_of(rows[:1], "-") == {"e0": None}
    drawn = splits_of(rows, "dev 70% test 30%")
    assert all(drawn[f"e{at}"] == drawn[f"e{at + 1}"] for at in range(0, 400, 2))
    assert 230 <= list(drawn.values()).count("dev") <= 330
    assert splits_of(rows[:50], "dev 70 test 30") == {id: drawn[id] for id in list(drawn)[:50]}
    for text in ("dev 70 test", "a 0 b 0", "dev x"):
        with pytest.raises(UsageFault):
            splits_of(rows, text)
