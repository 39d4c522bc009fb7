"""What a sitting leaves: texts that a kill cannot take, found by the next one and by no other that runs."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import places
import pytest

from promptlab.errors import StorageFault
from promptlab.lab import Lab
from promptlab.lab.sittings import Draft, Seat, Sitting
from promptlab.models.trust import state_folder


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.open(places.workspace(tmp_path / "shop"))


def draft(name: str, text: str, time: int = 1_900_000_000) -> Draft:
    return Draft(name, text, "stamp", time)


def known(draft: Draft) -> bool:
    return draft.name == "triage"


def files() -> list[str]:
    return sorted(path.suffix for path in state_folder().rglob("*") if path.is_file())


def test_a_killed_program_leaves_its_texts(lab: Lab) -> None:
    program = f"""
        import os
        from pathlib import Path
        from promptlab.lab import Lab
        from promptlab.lab.sittings import Draft, Sitting
        sitting = Sitting(Lab.open(Path({str(lab.root)!r})))
        sitting.keep([Draft("triage", "half", "s", 1900000000)])
        os.replace = lambda *_: os.kill(os.getpid(), 9)  # at the worst moment: the new text has not its name yet
        sitting.keep([Draft("triage", "half a sent\\u00e9nce", "s", 1900000000)])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert done.returncode == -9
    heir = Sitting(lab)
    assert heir.left(known) == [Draft("triage", "half a senténce", "s", 1900000000)]
    assert files() == [".drafts", ".lock"]
    heir.close()
    (file,) = state_folder().rglob("*.drafts")
    file.with_name(f"{file.name}.new").write_bytes(file.read_bytes()[:-1])
    heir = Sitting(lab)
    assert [one.text for one in heir.left(known)] == ["half a senténce"]
    heir.keep([])
    heir.close()
    assert files() == []


def test_texts_are_taken_over_once_and_never_from_a_program_that_runs(lab: Lab) -> None:
    running, ended, other = Sitting(lab), Sitting(lab), Sitting(lab)
    running.keep([draft("triage", "mine")])
    ended.keep([draft("triage", "old"), draft("gone", "of a file that is gone")])
    ended.close()
    other.keep([draft("triage", "newer", 1_900_000_001)])
    other.close()
    heir = Sitting(lab)
    assert heir.left(known) == [draft("triage", "newer", 1_900_000_001)]
    assert Sitting(lab).left(known) == []
    heir.close()
    assert {one.text for one in Sitting(lab).left(lambda _: True)} == {"newer", "of a file that is gone"}
    running.close()


def test_nothing_is_left_when_all_is_saved(lab: Lab) -> None:
    sitting = Sitting(lab)
    sitting.keep([draft("triage", "x")])
    sitting.keep([])
    sitting.close()
    assert files() == []
    assert oct(next(state_folder().glob("sittings/*")).stat().st_mode)[-3:] == "700"


def test_a_seat_is_kept_for_each_workspace(lab: Lab, tmp_path: Path) -> None:
    sitting = Sitting(lab)
    assert sitting.seat() == Seat()
    sitting.sit(Seat("evals", "triage", "tickets"))
    assert Sitting(lab).seat() == Seat("evals", "triage", "tickets")
    assert Sitting(Lab.open(places.workspace(tmp_path / "other"))).seat() == Seat()
    next(state_folder().rglob("seat.json")).write_text("{")
    assert Sitting(lab).seat() == Seat()


def test_a_folder_that_cannot_be_written_is_a_sentence(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    (lab.root / "file").write_text("")
    monkeypatch.setenv("PROMPTLAB_STATE", str(lab.root / "file"))
    sitting = Sitting(lab)
    sitting.sit(Seat("evals"))
    with pytest.raises(StorageFault, match="cannot be used"):
        sitting.keep([draft("triage", "x")])
