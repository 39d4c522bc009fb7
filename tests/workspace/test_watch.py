"""Changes on disk are seen, and looking is cheap."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

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


@pytest.mark.benchmark
def test_looking_at_two_hundred_files_takes_at_most_five_milliseconds(root: Path, slack: float) -> None:
    for number in range(200):
        (root / "prompts" / f"p{number}.toml").write_text("")
    times: list[float] = []
    for _ in range(7):
        start = time.process_time()
        snapshot(root)
        times.append(time.process_time() - start)
    print(f"snapshot of 200 files: {min(times) * 1000:.2f} ms")
    assert min(times) < 0.005 * slack
