"""What the control groups of this process allow it: the limits of a container, which the system's own figures ignore.

Both layouts of Linux are read: one tree for all controllers (version 2), and one for each (version 1). A limit holds
for all groups below, so the tightest one counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

MOUNTED = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def free_memory() -> int | None:
    """Bytes that can still be taken, with what the system would give back of files it keeps; None without a limit."""
    rooms: list[int] = []
    for group in _groups("memory"):
        limit = _number(group, "memory.max", "memory.limit_in_bytes")
        used = _number(group, "memory.current", "memory.usage_in_bytes")
        if limit is not None and used is not None:
            kept = dict(line.split() for line in _text(group / "memory.stat").splitlines())
            back = int(kept.get("total_inactive_file") or kept.get("inactive_file") or 0)
            rooms.append(max(0, limit - used + back))
    return min(rooms, default=None)


def processors() -> float | None:
    """How many processors' time can be taken; None without a limit."""
    shares: list[float] = []
    for group in _groups("cpu"):
        quota, _, period = _text(group / "cpu.max").partition(" ")
        if not period:
            quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
        if quota.strip().isdigit() and period.strip().isdigit():
            shares.append(int(quota) / int(period))
    return min(shares, default=None)


def _groups(controller: str) -> Iterator[Path]:
    """The folders of this process's group and of all above it."""
    for line in _text(OWN).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = MOUNTED / controller if controllers else MOUNTED
        group = top / path.lstrip("/")
        yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(top))


def _number(group: Path, *names: str) -> int | None:
    """What the first of these files that is there holds; None where that is no number."""
    text = next((text for name in names if (text := _text(group / name).strip())), "")
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    """What a file says; "" where there is none to read."""
    try:
        return path.read_text()
    except OSError:
        return ""
