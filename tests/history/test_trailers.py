from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from promptlab import __version__
from promptlab.history import trailers
from promptlab.history.values import ColumnLine, RunRecord, ScoreLine

RUN = "20261121T195012Z-4f2a9c"
TAG = f"run/triage/{RUN}"
COLUMN = ColumnLine("a", "triage", "5c8e33c836e2", "v3", "mini", "gguf:0f0f")


def build(**changes: object) -> str:
    values: dict[str, object] = {
        "run": RUN,
        "title": "run triage on support: exact 0.915 (+0.040)",
        "evalset": "support",
        "evalset_content": "9f00ab12cd34",
        "n": 200,
        "columns": (COLUMN,),
        "scores": (ScoreLine("a", "exact", 0.915, 198, 0.0198, 2),),
        "results": {"outputs.jsonl": b"{}\n"},
    }
    return trailers.message(**{**values, **changes})  # type: ignore[arg-type]  # the test varies single arguments


def read(text: str, tag: str = TAG) -> RunRecord | None:
    return trailers.parse(text, tag=tag, commit="c" * 40, time=7)


def test_the_text_a_person_reads() -> None:
    assert build() == (
        "run triage on support: exact 0.915 (+0.040)\n"
        "\n"
        "Promptlab-Format: 1\n"
        f"Promptlab-Run: {RUN}\n"
        "Promptlab-State: complete\n"
        "Promptlab-Evalset: support@9f00ab12cd34 n=200\n"
        "Promptlab-Variant: a prompt=triage@5c8e33c836e2 version=v3 model=mini identity=gguf:0f0f\n"
        "Promptlab-Score: a exact=0.915 n=198 se=0.0198 missing=2\n"
        "Promptlab-Results: outputs.jsonl sha256=ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356\n"
        f"Promptlab-Tool: promptlab {__version__}\n"
    )


NAMES = st.text(min_size=1, max_size=12)
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda value: float(f"{value:.6g}"))
HASHES = st.text("0123456789abcdef", min_size=12, max_size=12)
COLUMNS = st.builds(ColumnLine, NAMES, NAMES, HASHES, st.sampled_from(["*", "v1", "v12"]), NAMES, NAMES)
SCORES = st.builds(ScoreLine, NAMES, NAMES, FINITE, st.integers(0, 10**6), st.none() | FINITE, st.integers(0, 99))
RECORDS = st.builds(
    RunRecord,
    id=st.just(RUN),
    subject=st.just("judges/helpful"),
    tag=st.just(f"run/judges/helpful/{RUN}"),
    commit=st.just("c" * 40),
    time=st.just(7),
    title=st.from_regex(r"[a-z][ -~]{0,80}[a-z]", fullmatch=True).map(lambda text: " ".join(text.split())),
    evalset=NAMES,
    evalset_content=HASHES,
    n=st.integers(0, 10**6),
    columns=st.lists(COLUMNS, max_size=4).map(tuple),
    scores=st.lists(SCORES, max_size=4).map(tuple),
    partial=st.booleans(),
)


@settings(max_examples=40)
@given(RECORDS)
def test_round_trip(record: RunRecord) -> None:
    text = build(
        title=record.title,
        evalset=record.evalset,
        evalset_content=record.evalset_content,
        n=record.n,
        columns=record.columns,
        scores=record.scores,
        partial=record.partial,
    )
    assert read(text, record.tag) == record
    for line in text.splitlines()[2:]:
        assert re.fullmatch(r"Promptlab-[A-Z][a-z]+: [A-Za-z0-9._@/:=*+ -]+", line)


@given(st.text(max_size=60), st.text(max_size=30))
@example("\x08 \x1b", "")
def test_no_text_can_add_a_line(title: str, name: str) -> None:
    text = build(title=title, evalset=name + "\nPromptlab-Run: x", scores=())
    assert len(text.splitlines()) == 9
    record = read(text)
    assert record is not None
    assert record.id == RUN


def test_a_score_without_a_value_is_left_out() -> None:
    nothing = ScoreLine("a", "f1", float("nan"), 0)
    record = read(build(scores=(nothing, ScoreLine("a", "exact", 1.0, 3, float("nan")))))
    assert record is not None
    assert record.scores == (ScoreLine("a", "exact", 1.0, 3),)


def test_an_empty_title_names_the_run() -> None:
    assert build(title="\x1b\n").startswith(f"run {RUN}\n\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Format: 1", "Format: 2"),
        (f"Run: {RUN}", "Run: 20261121T195012Z-000000"),
        (f"Promptlab-Run: {RUN}\n", ""),
        ("n=200", "n=many"),
        ("n=198", ""),
        ("exact=0.915", "exact"),
        ("exact=0.915", "exact=nan"),
        ("Score: a exact=0.915 n=198 se=0.0198 missing=2", "Score: a"),
        ("prompt=triage@5c8e33c836e2 ", ""),
        ("Promptlab-State: complete\n", ""),
        ("\n\n", "\n"),
    ],
)
def test_a_damaged_message_is_no_record(old: str, new: str) -> None:
    assert old in build()
    assert read(build().replace(old, new, 1)) is None


@pytest.mark.parametrize("tag", ["v1.0", f"run/{RUN}", f"run/triage/{RUN}x", "run/triage/today", "run/triage"])
def test_a_foreign_tag_is_no_record(tag: str) -> None:
    assert read(build(), tag) is None


def test_a_foreign_message_is_no_record() -> None:
    assert read("release\n") is None
    assert read("") is None
