from __future__ import annotations

from pathlib import Path

from runs.scripted import small_plan

from promptlab.models.values import Fault, Outcome
from promptlab.runs.following import Following
from promptlab.runs.journal import Journal
from promptlab.runs.live import LOOKING
from promptlab.runs.values import JournalLine


def line(at: int, text: str = "") -> JournalLine:
    fault = None if text else Fault("timeout", "It took too long.")
    return JournalLine("a", f"e{at}", 0, Outcome(key=str(at), text=text, fault=fault))


def test_each_look_gives_what_is_new_and_a_torn_line_waits_for_its_rest(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, small_plan(4))
    following = Following(tmp_path, journal.run)
    assert following.look() == []
    journal.append([line(0, "yes"), line(1)])
    assert following.look() == [line(0, "yes"), line(1)]
    assert (following.done, following.failed) == (2, 1)
    journal.append([line(1, "now"), line(0)])
    assert following.look() == [line(1, "now")], "a fault does not take the place of an answer"
    assert (following.done, following.failed) == (2, 0)
    path = journal.folder / "outcomes.jsonl"
    with path.open("ab") as file:
        file.write(b'{"column":"a","exam')
    assert following.look() == []
    with path.open("ab") as file:
        file.write(b'ple":"e2","trial":0,"outcome":{"key":"2","text":"whole"}}\n')
    assert [one.outcome.text for one in following.look()] == ["whole"]
    journal.close()
    assert following.look() == []


def test_a_run_that_is_being_removed_is_not_looked_at(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, small_plan(4))
    following = Following(tmp_path, journal.run)
    assert following.live is None
    (journal.folder / LOOKING).unlink()
    (journal.folder / "run.json").unlink()  # the first that goes
    assert following.live is None
    assert not (journal.folder / LOOKING).exists()
    journal.close()
