from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.lab import answers
from promptlab.lab.answers import Answers
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
places = st.tuples(st.sampled_from("ab"), st.sampled_from(["one", "two"]), st.integers(0, 1))


@given(st.lists(st.tuples(places, outcomes), max_size=30), st.sampled_from([0, 1000, 10_000_000]))
def test_it_gives_back_what_was_put_last_wherever_the_text_lies(
    puts: list[tuple[tuple[str, str, int], Outcome]], memory: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "IN_MEMORY", memory)
        kept = Answers()
        for place, outcome in puts:
            kept.put(place, outcome)
    known = dict(puts)
    assert len(kept) == len(known)
    assert {place: kept.get(place) for place in known} == known
    facts = dict(kept.facts())
    assert [(one.key, one.usage, one.fault) for one in facts.values()] == [
        (known[place].key, known[place].usage, known[place].fault) for place in facts
    ]
    assert [kept.fact(place) for place in facts] == list(facts.values())
    assert kept.fact(("z", "one", 0)) is None
    assert kept.get(("z", "one", 0)) is None


def test_texts_beyond_some_megabytes_are_not_in_memory_and_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "IN_MEMORY", 10_000)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    open_before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    kept = Answers()
    for at in range(100):
        kept.put(("a", f"e{at}", 0), Outcome(key=str(at), text=f"{at} " * 500))
    assert sum(len(one.text) for _, one in kept.facts()) <= 10_000
    assert all(kept.get(("a", f"e{at}", 0)) == Outcome(key=str(at), text=f"{at} " * 500) for at in range(100))
    assert list(tmp_path.iterdir()) == []
    del kept
    if sys.platform == "linux":
        assert len(os.listdir("/proc/self/fd")) == open_before


def test_where_nothing_can_be_written_all_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "IN_MEMORY", 0)
    monkeypatch.setattr(answers, "_DISK", Path("/nowhere"))
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    kept = Answers()
    kept.put(("a", "one", 0), Outcome(key="k", text="long " * 100))
    assert kept.get(("a", "one", 0)) == Outcome(key="k", text="long " * 100)
