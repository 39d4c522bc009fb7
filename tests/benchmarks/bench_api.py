"""Ten thousand cells over HTTP, beside a server in a process of its own: CPU a cell, memory, and the pace it finds.

Run it with: pytest -s -m benchmark tests/benchmarks/bench_api.py

It prints figures of two other programs beside its own: measured on a machine of the same kind with the same prompt
and an exact match, start-up taken off; a cached run is one of 10,000 cases.
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
from benchmarks.steady import ask_steadily
from serving import Serving

pytestmark = pytest.mark.benchmark

PEERS = {
    "promptfoo 0.123": "4.4-7.2 ms CPU a case, 50-162 s for 10,000 and 630-750 MB, from the cache 45-54 s",
    "Inspect 0.3.285": "14-19 ms CPU a case, 221-232 s for 10,000 and 360-380 MB, from the cache 10-12 ms a case",
}
FAULTS = {"500": 0.05, "drop": 0.05, "malformed": 0.01, "hang": 0.01}
COMMAND = [sys.executable, "-m", "promptlab", "run", "say", "--json"]
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
    command = [*COMMAND, "--no-commit", *options]
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
        starts = [run(folder, "--sample", "1", "--no-cache") for _ in range(2)]
        idle, least = min(cpu for _, _, cpu, _ in starts), min(memory for *_, memory in starts)
        report, wall, cpu, memory = run(folder)
        again, warm, _, _ = run(folder)
        assert server.stats()["requests"] == cells + 1
    each = (cpu - idle) / cells * 1000
    print(
        f"\n  {cells} cells: {wall:.2f} s wall, {each:.3f} ms CPU a cell, {memory:.0f} MB ({least:.0f} MB with one "
        f"cell); from the cache {warm:.2f} s",
        end="",
    )
    for peer, figures in PEERS.items() if cells == 10_000 else ():
        print(f"\n    beside it {peer}: {figures}", end="")
    assert report["columns"][0]["metrics"]["exact"]["mean"] == 1.0  # type: ignore[index]
    assert again["columns"][0]["cached"] == cells  # type: ignore[index]
    assert each < 1.2
    assert memory < 250


@pytest.mark.parametrize("concurrency", [20, 100])
def test_cells_at_a_fixed_concurrency(tmp_path: Path, concurrency: int) -> None:
    with Serving() as server:
        folder = workspace(tmp_path / "w", server, 10_000, f"concurrency = {concurrency}")
        _, wall, cpu, memory = run(folder)
    print(
        f"\n  10,000 cells, {concurrency} at once: {wall:.2f} s wall, {cpu / 10:.3f} ms CPU a cell, {memory:.0f} MB"
    )
    assert cpu / 10_000 < 0.0012


def test_the_limit_of_a_server_is_found(tmp_path: Path) -> None:
    """By the server's clock, from the first answer to the last: a hundred at once of 50 ms are 2,000 a second.

    Beside it what a client reaches that knows the limit and does nothing else: where this machine is too busy for
    2,000 a second, its rate is the bar. By a clock that no machine slows down, tests/models/test_limit.py shows the
    same, also of servers that refuse otherwise.
    """
    latency = 0.05
    texts = ["Classify the ticket and answer with one word. " * 6 + f"letter {at}" for at in range(10_000)]
    with Serving(latency=latency, most=100) as server:
        ask_steadily(server.base_url, texts, 100)
        first = answered(server)
        told, _, _, _ = run(workspace(tmp_path / "told", server, 10_000, "concurrency = 100"), "--no-cache")
        second = answered(server, len(first))
        found, _, _, _ = run(workspace(tmp_path / "found", server, 10_000), "--no-cache")
        third = answered(server, len(first) + len(second))
        refused = server.stats()["faults"].get("429", 0)
    assert len(first) == len(second) == len(third) == 10_000
    allowed = 100 / latency
    most, best, rate = (rate_of(times, latency) for times in (first, second, third))
    print(
        f"\n  allowed {allowed:.0f}/s, the most there is {most:.0f}/s, told the limit {best:.0f}/s, found it "
        f"{rate:.0f}/s ({100 * rate / allowed:.1f} % of what is allowed, {100 * rate / most:.1f} % of the most "
        f"there is), {refused} refused",
        end="",
    )
    assert told["columns"][0]["failed"] == found["columns"][0]["failed"] == 0  # type: ignore[index]
    assert rate >= 0.9 * min(allowed, most)


def answered(server: Serving, after: int = 0) -> list[float]:
    """When the server gave each answer, in order, without so many of the first."""
    return sorted(time for times in server.stats()["answers"].values() for time in times)[after:]


def rate_of(times: list[float], latency: float) -> float:
    """Answers a second, counted from when the first of them was asked."""
    return len(times) / (times[-1] - times[0] + latency)


def test_ten_thousand_cells_through_every_fault(tmp_path: Path) -> None:
    with Serving(latency=0.02, faults=FAULTS, burst=2000) as server:
        folder = workspace(tmp_path / "w", server, 10_000, "timeout = 2")
        report, wall, _, _ = run(folder)
        stats = server.stats()
    met = sum(stats["faults"].values())
    failed = report["columns"][0]["failed"]  # type: ignore[index]
    print(
        f"\n  through faults: {wall:.1f} s, {met} faults met, {stats['requests']} requests, {failed} failed", end=""
    )
    assert failed <= 2
    assert stats["requests"] == 10_000 + met - failed
    assert {len(times) for times in stats["answers"].values()} == {1}


def test_ten_thousand_cells_through_every_fault_and_two_kills(tmp_path: Path) -> None:
    """By the server's own count no answer is asked for again, but those that the killed process had not read."""
    with Serving(latency=0.02, faults=FAULTS, burst=2000) as server:
        folder = workspace(tmp_path / "w", server, 10_000, "timeout = 2")
        for share in (3_000, 6_000):
            with subprocess.Popen(
                [*COMMAND, "--no-commit"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                while len(server.stats()["answers"]) < share:
                    time.sleep(0.05)
                process.kill()
        report, _, _, _ = run(folder)
        stats = server.stats()
    again = [text for text, times in stats["answers"].items() if len(times) > 1]
    unread = sum(map(len, stats["unread"].values()))
    met = sum(stats["faults"].values())
    print(
        f"\n  through faults and two kills: {stats['requests']} requests, {met} faults met; {unread} answers reached "
        f"nobody, since who had asked was killed; of the others {len(again)} were asked for again",
        end="",
    )
    assert report["columns"][0]["failed"] <= 2  # type: ignore[index]
    assert sum(map(bool, stats["answers"].values())) >= 9_998
    assert not again
