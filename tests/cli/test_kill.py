"""`kill -9` in the middle of a run on the real engine, again and again; then the same command ends it.

Two moments here, five in ``benchmarks/bench_kills.py``: each start loads the program and the model anew.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import places
import pytest

COMMAND = [sys.executable, "-m", "promptlab", "run", "triage@v1", "triage", "--only", "clear", "--no-cache", "--json"]
CELLS = 144  # 72 clear tickets × 2 versions


def journalled(folder: Path) -> list[tuple[str, str]]:
    """(column, example) of every whole line in the journal of the only run."""
    lines: list[tuple[str, str]] = []
    for path in (folder / ".git" / "promptlab" / "runs").glob("*/outcomes.jsonl"):
        for line in path.read_bytes().split(b"\n")[:-1]:
            cell = json.loads(line)
            lines.append((cell["column"], cell["example"]))
    return lines


@pytest.mark.local
def test_killed_at_random_moments_and_ended_by_the_same_command(tmp_path: Path) -> None:
    killed_at_random(tmp_path / "demo", 2)


def killed_at_random(folder: Path, kills: int) -> None:
    """Kill the run so many times, then let it end, and see that nothing was lost, doubled or touched."""
    subprocess.run([sys.executable, "-m", "promptlab", "init", str(folder), "--example"], check=True)
    before = places.fingerprint(folder)
    rng = random.Random(20261121)
    answered = 0
    for _ in range(kills):
        process = subprocess.Popen(
            COMMAND, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        wanted = answered + rng.randrange(1, 20)
        deadline = time.monotonic() + 30
        while len(journalled(folder)) < wanted and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.random() * 0.05)
        os.killpg(process.pid, signal.SIGKILL)
        _, err = process.communicate()
        if answered:
            assert f"{answered} answered before" in err.decode()
        lines = journalled(folder)
        assert len(lines) == len(set(lines)), "no cell is computed twice that had been journalled"
        assert len(lines) >= answered
        answered = len(lines)
        assert places.git(folder, "tag") == ""
    assert 0 < answered < CELLS

    done = subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, check=True)
    assert f"{answered} answered before" in done.stderr
    report = json.loads(done.stdout)["run"]
    assert [column["cells"] for column in report["columns"]] == [CELLS // 2, CELLS // 2]
    (tag,) = places.git(folder, "tag").split()
    assert report["tag"] == tag
    shown = places.git(folder, "cat-file", "tag", tag)
    assert "Promptlab-State: complete" in shown
    outputs = places.git(folder, "show", f"{tag}:results/triage/{tag.rpartition('/')[2]}/outputs.jsonl").splitlines()
    assert len(outputs) == CELLS
    for column, line in zip("ab", re.findall(r"Promptlab-Score: \w exact=(\S+) n=72", shown), strict=True):
        mean = next(one for one in report["columns"] if one["column"] == column)["metrics"]["exact"]["mean"]
        assert float(line) == pytest.approx(mean, rel=1e-5)
    assert places.fingerprint(folder) == before
    assert not [path for path in (folder / ".git" / "promptlab" / "runs").iterdir()], "a saved run needs no journal"
