"""A repository of 10,000 commits, 200 prompts, 1,300 versions of one and 2,000 runs: how long its history takes.

Run with: pytest -s -m benchmark tests/benchmarks/bench_history.py
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from promptlab.history import trailers
from promptlab.history.repository import Repository
from promptlab.history.runs import list_runs
from promptlab.history.values import ColumnLine, ScoreLine
from promptlab.history.versions import version_bytes, versions

pytestmark = pytest.mark.benchmark
COMMITS, PROMPTS, VERSIONS, RUNS, RENAMES = 10_000, 200, 1_300, 2_000, 5
Result = TypeVar("Result")


def text(name: str, version: int) -> str:
    body = "\n".join(f"Rule {line} of {name}: do what is asked, in a word." for line in range(20))
    return f'[[messages]]\nrole = "user"\ncontent = """{body}\nWording {version}. {{{{ ticket }}}}"""\n'


def message(at: int) -> str:
    return trailers.message(
        run=run_id(at),
        title=f"run hot on support: exact 0.{at:04}",
        evalset="support",
        evalset_content="9f00ab12cd34",
        n=200,
        columns=[ColumnLine(letter, "hot", f"{at:012x}", f"v{at}", "mini", "gguf:0f0f") for letter in "ab"],
        scores=[ScoreLine(c, metric, 0.5, 200, 0.03) for c in "ab" for metric in ("exact", "latency", "cost")],
        results={"run.toml": b"", "outputs.jsonl": b""},
        plan="0" * 64,
    )


def run_id(at: int) -> str:
    return f"20261121T{at // 3600:02}{at // 60 % 60:02}{at % 60:02}Z-{at:06x}"


def stream() -> Iterator[str]:
    """The whole repository as git fast-import reads it."""
    who = "Ann <ann@example.com>"
    every = COMMITS // VERSIONS
    hot, version, path = "prompts/hot.toml", 0, "prompts/hot.toml"
    for at in range(COMMITS):
        yield f"commit refs/heads/main\nmark :{at + 1}\ncommitter {who} {1_700_000_000 + 60 * at} +0000\n"
        yield "data 4\nwork\n"
        if at == 0:
            for name in range(PROMPTS):
                yield inline(f"prompts/p{name}.toml", text(f"p{name}", 0))
        if at % (COMMITS // (RENAMES + 1)) == 999:
            moved = f"prompts/hot-{at}.toml"
            yield f"R {path} {moved}\n"
            path = moved
        elif at % every == 0 and version < VERSIONS:
            version += 1
            yield inline(path, text(hot, version))
        else:
            yield inline(f"prompts/p{at % PROMPTS}.toml", text(f"p{at % PROMPTS}", at))
    for at in range(RUNS):
        parent = COMMITS - at
        yield f"commit refs/promptlab/making\nmark :{COMMITS + at + 1}\ncommitter {who} 1800000000 +0000\n"
        yield f"data 3\nrun\nfrom :{parent}\n{inline(f'results/hot/{run_id(at)}/run.toml', 'seed = 7')}"
        body = message(at)
        yield f"tag run/hot/{run_id(at)}\nfrom :{COMMITS + at + 1}\ntagger {who} {1_800_000_000 + at} +0000\n"
        yield f"data {len(body.encode())}\n{body}\n"
    yield "reset refs/promptlab/making\nfrom 0000000000000000000000000000000000000000\n"


def inline(path: str, content: str) -> str:
    return f"M 100644 inline {path}\ndata {len(content.encode())}\n{content}\n"


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("big")
    git(folder, "init", "-q", "-b", "main")
    with subprocess.Popen(["git", "fast-import", "--quiet"], cwd=folder, stdin=subprocess.PIPE) as process:
        assert process.stdin
        for part in stream():
            process.stdin.write(part.encode())
    assert process.returncode == 0
    git(folder, "reset", "-q", "--hard")
    git(folder, "pack-refs", "--all")
    return folder


def git(folder: Path, *args: str) -> str:
    person = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    return subprocess.run(
        ["git", *person, *args], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


class Took(NamedTuple):
    """Milliseconds: on the clock, of our own processor time, and of that of the git processes."""

    wall: float
    ours: float
    gits: float

    @property
    def work(self) -> float:
        """What it takes where nothing else runs: ours and git's take turns."""
        return self.ours + self.gits

    def __str__(self) -> str:
        return f"{self.wall:.1f} ms (CPU {self.ours:.1f} + git {self.gits:.1f})"


def processor() -> tuple[float, float]:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime


def timed(work: Callable[[], Result], rounds: int, before: Callable[[], None] = lambda: None) -> tuple[Took, Result]:
    """The least of several rounds."""
    times: list[Took] = []
    for _ in range(rounds):
        before()
        ours, gits = processor()
        start = time.perf_counter()
        result = work()
        wall = time.perf_counter() - start
        now_ours, now_gits = processor()
        times.append(Took(1000 * wall, 1000 * (now_ours - ours), 1000 * (now_gits - gits)))
    return Took(*(min(kind) for kind in zip(*times, strict=True))), result


def test_history(big: Path) -> None:
    repo = Repository.open(big)
    (path,) = (str(file.relative_to(big)) for file in (big / "prompts").glob("hot-*.toml"))
    memory = big / ".git" / "promptlab"

    def forget(*names: str) -> None:
        for name in names:
            for file in memory.glob(name):
                file.unlink()

    first, found = timed(lambda: versions(repo, "hot", path), 3, lambda: forget("*"))
    assert len(found) == VERSIONS
    anew, _ = timed(lambda: versions(repo, "hot", path), 3, lambda: forget("versions-*"))
    second, _ = timed(lambda: versions(repo, "hot", path), 5)
    texts, data = timed(lambda: version_bytes(repo, found), 5)
    assert len(data) == VERSIONS
    unread, records = timed(lambda: list_runs(repo), 3, lambda: forget("runs-*"))
    assert len(records) == RUNS
    assert all(len(record.scores) == 6 for record in records)
    listed, again = timed(lambda: list_runs(repo), 5)
    assert again == records

    kept = {file: file.read_bytes() for file in memory.iterdir()}
    for at in range(10):
        (big / path).write_text(text("hot", 5000 + at))
        git(big, "commit", "-qam", "new")

    def as_before() -> None:
        shutil.rmtree(memory)
        memory.mkdir()
        for file, content in kept.items():
            file.write_bytes(content)

    newer, more = timed(lambda: versions(repo, "hot", path), 5, as_before)
    assert len(more) == VERSIONS + 10
    for name, took in (
        (f"{VERSIONS} versions, first ever", first),
        ("the list forgotten", anew),
        ("again", second),
        ("after 10 commits", newer),
        ("their texts", texts),
        (f"{RUNS} runs with scores, first ever", unread),
        ("again", listed),
    ):
        print(f"\n  {name}: {took}", end="")
    assert first.work <= 400
    assert texts.work <= 150
    assert unread.work <= 100
    assert listed.work <= 100
    assert newer.work <= 20
