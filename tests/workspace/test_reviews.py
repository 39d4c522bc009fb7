"""Reviews as lines of a file that is only ever appended to."""

from __future__ import annotations

import subprocess
from pathlib import Path

import places
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.errors import InvalidFile, StorageFault
from promptlab.workspace.reviews import Review, append, file_of, new_id, not_yet, parse_reviews, standing

FILE = "reviews/tickets.jsonl"


def review(id: str, by: str = "Ann", at: str = "2026-11-22T01:00:00Z", **fields: object) -> Review:
    return Review(id, fields.pop("kind", "thumb"), by, at, example="e", content="c", answer="a", **fields)  # type: ignore[arg-type] fields of a review


def test_what_is_written_is_read(tmp_path: Path) -> None:
    first, second = review(new_id(), value=1.0), review(new_id(), kind="note", text="“so” \u2028 so")
    append(tmp_path, "tickets", [first])
    append(tmp_path, "tickets", [second])
    assert parse_reviews((tmp_path / FILE).read_bytes(), FILE) == [first, second]
    assert (tmp_path / "reviews" / ".gitattributes").read_text() == "*.jsonl merge=union text eol=lf\n"


def test_a_last_line_without_an_end_is_not_glued_to(tmp_path: Path) -> None:
    append(tmp_path, "tickets", [review("1")])
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    append(tmp_path, "tickets", [review("2")])
    assert [one.id for one in parse_reviews(path.read_bytes(), FILE)] == ["1", "2"]


def test_the_last_word_counts_and_can_be_taken_back() -> None:
    up = review("1", value=1.0)
    down = review("2", at="2026-11-22T01:00:01Z", value=0.0)
    other = review("3", by="Bob", value=1.0)
    back = review("4", at="2026-11-22T01:00:02Z", kind="retract", takes_back="2")
    assert {one.id for one in standing([down, up, other])} == {"2", "3"}
    assert {one.id for one in standing([back, down, up, other])} == {"1", "3"}


def test_a_pair_is_one_question_in_either_order() -> None:
    one = Review("1", "pairwise", "Ann", "1", "e", "c", "x", "y", 1.0)
    turned = Review("2", "pairwise", "Ann", "2", "e", "c", "y", "x", 1.0)
    assert [review.id for review in standing([one, turned])] == ["2"]


@given(st.lists(st.tuples(st.sampled_from(["Ann", "Bob"]), st.sampled_from([0.0, 1.0])), max_size=6))
def test_an_import_can_be_made_again(labels: list[tuple[str, float]]) -> None:
    """Whatever a file holds, the second import of it adds nothing, on another branch too."""
    imported = [review(new_id(), by=by, at=f"2026-11-22T01:00:0{n}Z", value=v) for n, (by, v) in enumerate(labels)]
    once = not_yet(imported, [])
    assert [(one.by, one.value) for one in once] == list(dict.fromkeys(labels))
    agreeing = [one for one in imported if len({value for by, value in labels if by == one.by}) == 1]
    later = [review(new_id(), by=one.by, at="2026-11-23", value=one.value) for one in agreeing]
    assert not_yet(later, once) == []
    assert {one.id for one in not_yet(later, [])} <= {one.id for one in once}


def test_what_was_taken_back_or_changed_meanwhile() -> None:
    (first,) = not_yet([review("1", value=1.0)], [])
    down = review("2", at="2026-11-22T01:00:01Z", value=0.0)
    again = review("3", at="2026-11-22T01:00:02Z", value=1.0)
    assert not_yet([again], [first, down]) == [again], "the person changed their mind again"
    back = review("4", at="2026-11-22T01:00:03Z", kind="retract", takes_back=first.id)
    assert not_yet([again], [first, back]) == []


@given(st.permutations(range(6)), st.integers(0, 6))
def test_a_union_merge_says_the_same(order: list[int], cut: int) -> None:
    """Lines in any order, some of them twice, are the same reviews."""
    lines = [review(str(n), at=f"2026-11-22T01:00:0{n}Z", value=float(n % 2), by="AB"[n % 2]) for n in range(5)]
    lines.append(review("5", at="2026-11-22T01:00:09Z", kind="retract", takes_back="4"))
    shuffled = [lines[n] for n in order] + lines[:cut]
    ids = {one.id: one for one in shuffled}
    assert {one.id for one in standing(ids.values())} == {one.id for one in standing(lines)}


def test_git_merges_two_branches_of_reviews(tmp_path: Path) -> None:
    places.git(tmp_path, "init", "-q", "-b", "main")
    append(tmp_path, "tickets", [review("0")])
    places.git(tmp_path, "add", "-A")
    places.git(tmp_path, "commit", "-qm", "first")
    for branch, id in (("left", "1"), ("right", "2")):
        places.git(tmp_path, "switch", "-q", "-c", branch, "main")
        append(tmp_path, "tickets", [review(id, by=branch)])
        places.git(tmp_path, "commit", "-qam", branch)
    subprocess.run(["git", "merge", "-q", "-m", "both", "left"], cwd=tmp_path, check=True)
    assert {one.id for one in parse_reviews((tmp_path / FILE).read_bytes(), FILE)} == {"0", "1", "2"}


def test_a_line_that_is_no_review_is_named() -> None:
    with pytest.raises(InvalidFile) as fault:
        parse_reviews(b'<<<<<<< ours\n{"id": "1"}\n', FILE)
    first, second = str(fault.value).splitlines()
    assert first.startswith(f"{FILE}:1: The line is no review: ")
    assert first.endswith("Remove the marks of the merge.")
    assert second == f"{FILE}:2: The line is no review: Object missing required field `kind`."


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "reviews").mkdir()
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageFault, match=r"^reviews/tickets\.jsonl: the review is not written: "):
        append(tmp_path, "tickets", [review("1")])
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "reviews").symlink_to(tmp_path)
    with pytest.raises(StorageFault, match="a link to a place outside the workspace"):
        append(tmp_path / "space", "tickets", [review("1")])
    assert not (tmp_path / "tickets.jsonl").exists()


def test_a_name_that_leads_elsewhere() -> None:
    with pytest.raises(ValueError, match="cannot be a file name"):
        file_of("../secrets")
