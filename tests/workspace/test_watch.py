"""Changes on disk are seen."""

from __future__ import annotations

import os
from pathlib import Path

from promptlab.workspace.watch import changes, snapshot


def test_changes_are_seen(root: Path) -> None:
    before = snapshot(root)
    assert sorted(before) == [
        "evalsets/support.toml",
        "promptlab.toml",
        "prompts/judges/helpful.toml",
        "prompts/triage.toml",
    ]
    assert changes(before, snapshot(root)) == ()
    (root / "prompts" / "judges" / "helpful.toml").write_text("longer than before, much longer than before, honest")
    (root / "prompts" / "triage.toml").unlink()
    (root / "evalsets" / "x.jsonl").write_text("")
    (root / "evalsets" / ".x.toml.1a2b.tmp").write_text("")
    (root / "prompts" / "notes.md").write_text("")
    (root / "prompts" / "gone.toml").symlink_to("nowhere")
    assert changes(before, snapshot(root)) == (
        "evalsets/x.jsonl",
        "prompts/judges/helpful.toml",
        "prompts/triage.toml",
    )


def test_a_replaced_file_of_the_same_size_and_time_is_seen(root: Path) -> None:
    path = root / "prompts" / "triage.toml"
    before = snapshot(root)
    other = root / "other"
    other.write_bytes(path.read_bytes()[::-1])
    os.utime(other, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns))
    os.replace(other, path)
    assert changes(before, snapshot(root)) == ("prompts/triage.toml",)


def test_an_empty_folder_has_an_empty_snapshot(tmp_path: Path) -> None:
    assert snapshot(tmp_path) == {}
