"""Ten thousand cells over HTTP, beside a server in a process of its own: CPU a cell, memory, and the pace it finds.

Run it with: pytest -s -m benchmark tests/benchmarks/bench_api.py

For comparison, such runs with promptfoo 0.123 take 4.4 to 7.2 ms CPU a case and 630 to 750 MB, with Inspect 0.3.285
14 to 19 ms and 360 MB (measured on a machine of the same kind, start-up taken off).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import places
import pytest
from serving import Serving

pytestmark = pytest.mark.benchmark
PROMPT = """[params]
max_tokens = 16
[[messages]]
role = "user"
content = "{fill}{{{{ ticket }}}}"
""".format(fill="Classify the ticket and answer with one word. " * 6)


def workspace(folder: Path, server: Serving, cells: int, model: str = "") -> Path:
    files = {
        "promptlab.toml": f'[models.m]\nmodel = "m"\nbase_url = "{server.base_url}"\n{model}\n',
        "prompts/say.toml": PROMPT,
        "evalsets/words.toml": 'examples = "words.jsonl"\n[[metrics]]\nid = "exact"\n',
        "evalsets/words.jsonl": "".join(
            json.dumps({"id": f"e{at}", "vars": {"ticket": f"ticket {at}"}, "expected": "OK"}) + "\n"
            for at in range(cells)
        ),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    places.git(folder, "init", "-q")
    places.git(folder, "add", ".")
    places.git(folder, "commit", "-qm", "begin")
    return folder


def run(folder: Path, *options: str) -> tuple[dict[str, object], float, float, float]:
    """The report of ``promptlab run``, and the whole process's wall seconds, CPU seconds and largest memory in MB."""
    command = [sys.executable, "-m", "promptlab", "run", "say", "--json", "--no-commit", *options]
    begin = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begin
    assert process.returncode == 0
    return json.loads(out)["run"], wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


@pytest.mark.parametrize("cells", [1_000, 10_000, 100_000])
def test_cells_at_no_latency(tmp_path: Path, cells: int) -> None:
    with Serving() as server:
        folder = workspace(tmp_path / "w", server, cells)
        _, _, idle, least = run(folder, "--sample", "1")
        report, wall, cpu, memory = run(folder)
        again, warm, _, _ = run(folder)
        assert server.stats()["requests"] == cells
    each = (cpu - idle) / cells * 1000
    print(
        f"\n  {cells} cells: {wall:.2f} s wall, {each:.3f} ms CPU a cell, {memory:.0f} MB ({least:.0f} MB with one "
        f"cell); from the cache {warm:.2f} s",
        end="",
    )
    assert report["columns"][0]["metrics"]["exact"]["mean"] == 1.0  # type: ignore[index]
    assert again["columns"][0]["cached"] == cells  # type: ignore[index]
    assert each < 1.2
    assert cells > 10_000 or memory < 250


@pytest.mark.parametrize("concurrency", [20, 100])
def test_cells_at_a_fixed_concurrency(tmp_path: Path, concurrency: int) -> None:
    with Serving() as server:
        folder = workspace(tmp_path / "w", server, 10_000, f"concurrency = {concurrency}")
        _, wall, cpu, memory = run(folder)
    print(f"\n  {concurrency} at once: {wall:.2f} s wall, {cpu / 10:.3f} ms CPU a cell, {memory:.0f} MB", end="")
    assert cpu / 10_000 < 0.0012


def test_the_limit_of_a_server_is_found(tmp_path: Path) -> None:
    """By the server's clock, from the first answer to the last: a hundred at once of 50 ms are 2,000 a second.

    Beside it a run that is told the limit: where this machine is too busy for 2,000 a second, its rate is the bar.
    By a clock that no machine slows down, tests/models/test_pace.py shows the same.
    """
    latency = 0.05
    with Serving(latency=latency, most=100) as server:
        told, _, _, _ = run(workspace(tmp_path / "told", server, 10_000, "concurrency = 100"), "--no-cache")
        first = answered(server)
        found, _, _, _ = run(workspace(tmp_path / "found", server, 10_000), "--no-cache")
        second = answered(server)[len(first) :]
        refused = server.stats()["faults"].get("429", 0)
    assert len(first) == len(second) == 10_000
    allowed, best, rate = 100 / latency, rate_of(first, latency), rate_of(second, latency)
    print(
        f"\n  allowed {allowed:.0f}/s, told the limit {best:.0f}/s, found it {rate:.0f}/s "
        f"({100 * rate / allowed:.0f} % of what is allowed), {refused} refused",
        end="",
    )
    assert told["columns"][0]["failed"] == found["columns"][0]["failed"] == 0  # type: ignore[index]
    assert rate >= 0.9 * min(allowed, best)


def answered(server: Serving) -> list[float]:
    """When the server gave each answer, in order."""
    return sorted(time for times in server.stats()["answers"].values() for time in times)


def rate_of(times: list[float], latency: float) -> float:
    """Answers a second, counted from when the first of them was asked."""
    return len(times) / (times[-1] - times[0] + latency)


def test_ten_thousand_cells_through_every_fault(tmp_path: Path) -> None:
    faults = {"500": 0.05, "drop": 0.05, "malformed": 0.01, "hang": 0.01}
    with Serving(latency=0.02, faults=faults, burst=2000) as server:
        folder = workspace(tmp_path / "w", server, 10_000, "timeout = 2")
        report, wall, _, _ = run(folder)
        stats = server.stats()
    met = sum(stats["faults"].values())
    print(f"\n  {wall:.1f} s, {met} faults met, {stats['requests']} requests", end="")
    assert report["columns"][0]["failed"] <= 2  # type: ignore[index]
    assert stats["requests"] == 10_000 + met - report["columns"][0]["failed"]  # type: ignore[index]
    assert {len(times) for times in stats["answers"].values()} == {1}
