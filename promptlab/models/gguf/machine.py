"""What the machine has to give."""

from __future__ import annotations

import os
import re
from pathlib import Path

from promptlab.models.gguf import cgroup

DEFAULT_CONTEXT = 4096
"""Most tokens of context when nobody asked for more: memory grows with it."""

_SMALL_BYTES = 32_000_000  # with 64 MB of q4_0, three threads are more than twice as fast as one


def available_memory() -> int:
    """Bytes that a program can take without pushing others out, or being ended for it in a container.

    All that the machine has where the system does not say.
    """
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    free = int(found[1]) * 1024 if found else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    allowed = cgroup.free_memory()
    return free if allowed is None else min(free, allowed)


def default_threads(size: int) -> int:
    """For a file of so many bytes.

    One processor is left to the program: threads wait for the slowest of them at every step, and one that is not
    scheduled holds up all. In a small model a step is so short that waiting costs more than sharing gains.
    """
    if size < _SMALL_BYTES:
        return 1
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = cgroup.processors()
    return max(1, min(processors, processors if allowed is None else int(allowed)) - 1)
