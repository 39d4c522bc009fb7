"""Saving killed 200 times at random moments: what the next start has to do, and what it finds whole.

Run with: pytest -s -m benchmark tests/history/bench_kills.py
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .faults_kills import killed_at_random
from .scene import Scene, template

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]


def test_200_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the next start each has run, tag and branch whole, and all of the person's unchanged."""
    counts = killed_at_random(Scene(tmp_path / "scene", template(tmp_path / "template"), monkeypatch), 200)
    print(f"\n200 of 200 whole after the next start; left to do then: {counts}")
