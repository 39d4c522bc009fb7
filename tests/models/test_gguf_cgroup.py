"""A container's limits, as the system writes them down in both layouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from promptlab.models.gguf import cgroup, machine

MB = 1_000_000

TOGETHER = {
    "self": "0::/shop/run\n",
    "cg/memory.max": "max\n",
    "cg/shop/memory.max": f"{500 * MB}\n",
    "cg/shop/memory.current": f"{300 * MB}\n",
    "cg/shop/memory.stat": f"anon 1\ninactive_file {100 * MB}\nactive_file 7\n",
    "cg/shop/run/memory.max": f"{900 * MB}\n",
    "cg/shop/run/memory.current": f"{100 * MB}\n",
    "cg/shop/cpu.max": "250000 100000\n",
    "cg/shop/run/cpu.max": "max 100000\n",
}
APART = {
    "self": "4:memory:/shop\n3:cpu,cpuacct:/shop\n1:name=systemd:/elsewhere\n0::/\n",
    "cg/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "cg/memory/memory.usage_in_bytes": f"{4000 * MB}\n",
    "cg/memory/shop/memory.limit_in_bytes": f"{500 * MB}\n",
    "cg/memory/shop/memory.usage_in_bytes": f"{300 * MB}\n",
    "cg/memory/shop/memory.stat": f"inactive_file 1\ntotal_inactive_file {100 * MB}\n",
    "cg/cpu/cpu.cfs_quota_us": "-1\n",
    "cg/cpu/cpu.cfs_period_us": "100000\n",
    "cg/cpu/shop/cpu.cfs_quota_us": "125000\n",
    "cg/cpu/shop/cpu.cfs_period_us": "50000\n",
}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Writes what the system would say; without it the system says nothing."""
    monkeypatch.setattr(cgroup, "MOUNTED", tmp_path / "cg")
    monkeypatch.setattr(cgroup, "OWN", tmp_path / "self")

    def written(files: dict[str, str]) -> None:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    return written


@pytest.mark.parametrize("files", [TOGETHER, APART], ids=["one tree", "a tree each"])
def test_the_tightest_group_counts_and_files_that_can_go_are_free(
    write: Callable[[dict[str, str]], None], files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(files)
    assert cgroup.free_memory() == 300 * MB
    assert cgroup.processors() == 2.5
    assert machine.available_memory() == 300 * MB
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(64))
    assert machine.default_threads(1 << 30) == 1


@pytest.mark.parametrize(
    "files",
    [{}, {"self": "0::/\n", "cg/memory.max": "max\n", "cg/memory.current": "12\n", "cg/cpu.max": "max 100000\n"}],
)
def test_without_a_limit_there_is_none(write: Callable[[dict[str, str]], None], files: dict[str, str]) -> None:
    write(files)
    assert cgroup.free_memory() is None
    assert cgroup.processors() is None
