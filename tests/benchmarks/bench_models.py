"""What the cache costs beside bare SQLite: pytest -s -m benchmark tests/benchmarks/bench_models.py"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
from benchmarks.clock import ratio

from promptlab.models.cache import Cache
from promptlab.models.values import Outcome, Usage

pytestmark = pytest.mark.benchmark


def test_ten_thousand_known_keys(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    keys = [f"{number:064x}" for number in range(10_000)]
    text = "a reply of some length " * 10
    cache.put_many(Outcome(key, text, usage=Usage(12, 3), latency=0.25, fingerprint="fp") for key in keys)
    bare = sqlite3.connect(cache.path)
    query = "SELECT body FROM outcome WHERE key = ?"
    found = ratio(
        "10,000 known keys of the cache",
        lambda: cache.get_many(keys),
        "a SELECT and a decode a key",
        lambda: [msgspec.msgpack.decode(bare.execute(query, (key,)).fetchone()[0]) for key in keys],
    )
    assert len(cache.get_many(keys)) == 10_000
    bare.close()
    cache.close()
    assert found < 3
