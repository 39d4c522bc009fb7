"""Saving killed 200 times at random moments: what the next start has to do, and what it finds whole.

And a thousand operations that leave no process behind.

Run with: pytest -s -m benchmark tests/history/bench_kills.py
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .faults_kills import killed_at_random
from .scene import Scene, template
from .test_states import no_process_is_left

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]


def test_200_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the next start each has run, tag and branch whole, and all of the person's unchanged."""
    counts = killed_at_random(Scene(tmp_path / "scene", template(tmp_path / "template"), monkeypatch), 200)
    print(f"\n200 of 200 whole after the next start; left to do then: {counts}")


def test_no_process_is_left_after_1000_operations(top: Path) -> None:
    no_process_is_left(top, 250)
    print("\n1000 operations, no process left")
