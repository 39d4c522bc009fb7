"""Examples that are kept at hand, on this machine and in no commit."""

from __future__ import annotations

from pathlib import Path

import places
import pytest

from promptlab.errors import StorageFault
from promptlab.lab import Lab
from promptlab.lab.pinning import pin, pinned


def test_pins_are_kept_by_eval_set_and_workspace_and_are_no_part_of_the_work(tmp_path: Path) -> None:
    folder = places.workspace(tmp_path / "shop")
    before = places.fingerprint(folder)
    lab = Lab.open(folder)
    assert pinned(lab, "tickets") == ()
    pin(lab, "tickets", ["t3", "t1", "t3"])
    pin(lab, "other", ["x"])
    assert pinned(Lab.open(folder), "tickets") == ("t3", "t1")
    pin(lab, "tickets", [])
    assert (pinned(lab, "tickets"), pinned(lab, "other")) == ((), ("x",))
    assert places.fingerprint(folder) == before


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"a": 1}'])
def test_a_file_that_is_none_of_ours_has_no_pins_and_is_written_anew(tmp_path: Path, content: bytes) -> None:
    lab = Lab.open(places.workspace(tmp_path / "shop"))
    pin(lab, "tickets", ["t1"])
    (lab.journal_root() / "pins.json").write_bytes(content)
    assert pinned(lab, "tickets") == ()
    pin(lab, "tickets", ["t2"])
    assert pinned(lab, "tickets") == ("t2",)


def test_pins_that_cannot_be_written_are_a_sentence(tmp_path: Path) -> None:
    lab = Lab.open(places.workspace(tmp_path / "shop"))
    (lab.journal_root() / "pins.json.new").mkdir(parents=True)
    with pytest.raises(StorageFault, match=r"pins\.json"):
        pin(lab, "tickets", ["t1"])
