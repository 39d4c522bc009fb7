"""How long a person waits before anything happens: pytest -s -m benchmark tests/benchmarks/bench_start.py"""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.benchmark
ROUNDS = 9


def seconds(*command: str) -> float:
    """The least wall time of several runs: what the machine can do when nobody is in the way."""
    found: list[float] = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.perf_counter() - start)
    return min(found)


def test_version() -> None:
    bare = seconds(sys.executable, "-c", "pass")
    click_alone = seconds(sys.executable, "-c", "import click")
    version = seconds(sys.executable, "-m", "promptlab", "--version")
    print(f"\npython {1000 * bare:.0f} · import click {1000 * click_alone:.0f} · --version {1000 * version:.0f} ms")
    assert version < 0.120 or version < 3 * click_alone, "bar: 120 ms, or three times the least that click costs"
