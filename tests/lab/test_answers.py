from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.lab import answers
from promptlab.lab.answers import Answers
from promptlab.lab.grid import Places
from promptlab.models.values import Alternative, Fault, Outcome, TokenLogprob, Usage

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=600)
outcomes = st.builds(
    Outcome,
    key=st.text("abcdef0123456789", min_size=4, max_size=4),
    text=texts,
    reasoning=texts,
    usage=st.builds(Usage, prompt=st.integers(0, 99)),
    logprobs=st.just(()) | st.just((TokenLogprob("a", -0.5, (Alternative("b", -1.0),)),)),
    fault=st.none() | st.just(Fault("timeout", "It took too long.")),
)
places = st.integers(0, 7)


@given(st.lists(st.tuples(places, outcomes), max_size=30), st.sampled_from([0, 1000, 10_000_000]))
def test_it_gives_back_what_was_put_last_wherever_the_text_lies(puts: list[tuple[int, Outcome]], memory: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "IN_MEMORY", memory)
        kept = Answers(8)
        for place, outcome in puts:
            kept.put(place, outcome)
    known = dict(puts)
    assert [kept.get(place) for place in range(9)] == [known.get(place) for place in range(9)]
    facts = [(one.key, one.usage, one.fault) for one in kept.facts()]
    assert facts == [(known[place].key, known[place].usage, known[place].fault) for place in sorted(known)]
    assert kept.facts(slice(2, 5)) == [
        kept.facts(slice(place, place + 1))[0] for place in (2, 3, 4) if place in known
    ]


def test_texts_beyond_some_megabytes_are_not_in_memory_and_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "IN_MEMORY", 10_000)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    open_before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    kept = Answers(100)
    for at in range(100):
        kept.put(at, Outcome(key=str(at), text=f"{at} " * 500))
    assert sum(len(one.text) for one in kept.facts()) <= 10_000
    assert all(kept.get(at) == Outcome(key=str(at), text=f"{at} " * 500) for at in range(100))
    assert list(tmp_path.iterdir()) == []
    del kept
    if sys.platform == "linux":
        assert len(os.listdir("/proc/self/fd")) == open_before


def test_where_nothing_can_be_written_all_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "IN_MEMORY", 0)
    monkeypatch.setattr(answers, "_DISK", Path("/nowhere"))
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    kept = Answers(1)
    kept.put(0, Outcome(key="k", text="long " * 100))
    assert kept.get(0) == Outcome(key="k", text="long " * 100)


def test_what_many_have_is_in_memory_once() -> None:
    kept = Answers(2)
    for at in range(2):
        label, tokens = "".join(["bill", "ing"]), Usage(60 + at // 9, 1)
        kept.put(at, Outcome(key=str(at), text=label, usage=tokens, cost=float("0.5")))
    one, two = kept.facts()
    assert one.text is two.text
    assert one.usage is two.usage
    assert one.cost is two.cost


def test_every_cell_has_a_number_and_no_other_thing_has_one() -> None:
    columns, examples, trials = ("a", "b"), ("one", "two", "three"), 2
    places = Places(columns, {example: at for at, example in enumerate(examples)}, trials)
    cells = [(column, example, trial) for column in columns for example in examples for trial in range(trials)]
    assert [places.of(*cell) for cell in cells] == list(range(len(places))) == list(range(12))
    assert [places.known(*cell) for cell in cells] == list(range(12))
    assert list(range(12))[places.column("b")] == [6, 7, 8, 9, 10, 11]
    assert list(range(12))[places.column("c")] == []
    for cell in (("c", "one", 0), ("a", "four", 0), ("a", "one", 2), ("a", "two", -1)):
        assert places.of(*cell) == 12
        with pytest.raises(KeyError):
            places.known(*cell)
