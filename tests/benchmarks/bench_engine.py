"""The local engine against what a person would use in its place: same file, same plan, same kernels, greedy.

Run it with: pytest -s -m benchmark tests/benchmarks/bench_engine.py

``PROMPTLAB_BENCH_GGUF``: a further file to measure beside the packaged mini, such as tools/make_gguf.py writes one.
``PROMPTLAB_BENCH_SERVER``: a llama-server of the same sources as the installed llama-cpp-python; without it that part
is left out, and says so.
``PROMPTLAB_BENCH_THREADS``: 1, unless given, and then CPU seconds count, which other programs disturb little; with
more threads wall seconds count, on a machine that does nothing else.
``PROMPTLAB_BENCH_SHAPES``: letters of the shapes to measure, such as ``ab``; all of them, unless given.
``PROMPTLAB_BENCH_KERNELS=all``: with rearranged weights and matrix units. Some virtual machines announce a unit (AMX)
that they do not run, so that nobody uses these unless told; a library built without it, named by
``LLAMA_CPP_LIB_PATH``, has the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

import numpy as np
import pytest
from gguf_support import MINI

from promptlab.models.values import Capabilities
from promptlab.runs.plan import ColumnSpec, make_plan
from promptlab.runs.values import Plan
from promptlab.workspace.values import EvalSet, Example, Message, MetricSpec, Params, Prompt

pytest.importorskip("llama_cpp", reason="the local engine is not installed")

from benchmarks.contenders import Server, Setting, Spent, loop, prompt_rate, promptlab, requests_of

from promptlab.models.gguf.engine import Engine
from promptlab.models.gguf.prefixes import common

EXAMPLES = 64
WORDS = "the parcel is late and my card was charged twice so please send the money back today".split()  # noqa: SIM905
REPLY = "Write a polite reply to this ticket."  # the packaged models answer it with as much as they may write
SLOTS = (8, 16)

LOOP, RESET = "plain loop", "loop, reset before each"
COLD, WARM = "server cold", "server warm"

BARS: dict[int, dict[str, dict[str, float]]] = {
    1: {"(a)": {RESET: 4.0, LOOP: 1.3, COLD: 1.45}},
    3: {
        "(a)": {RESET: 5.0, LOOP: 2.1, COLD: 1.5},
        "(b)": {LOOP: 2.2, COLD: 1.0},
        "(c)": {RESET: 4.0, COLD: 1.4},
        "(d)": {LOOP: 5.0},
    },
}
"""By threads: how many times faster than the better of these promptlab is to be, with a file of 110M weights."""


@dataclass(frozen=True)
class Shape:
    """Runs, of which the last one is measured and those before it are its past."""

    name: str
    plans: tuple[Plan, ...]


def text(words: int, seed: int) -> str:
    return " ".join(Random(seed).choices(WORDS, k=words))


def plan_of(systems: Sequence[str], words: int, tokens: int) -> Plan:
    """A column for each system message, "" for none, over tickets of so many words."""
    examples = tuple(Example(f"e{index:02}", {"ticket": text(words, 100 + index)}) for index in range(EXAMPLES))
    user = Message("user", "{{ ticket }}\n\n" + REPLY)
    prompts = [
        Prompt(
            f"reply{number}",
            sha256(system.encode()).hexdigest()[:12],
            f"prompts/reply{number}.toml",
            (Message("system", system), user) if system else (user,),
        )
        for number, system in enumerate(systems)
    ]
    columns = [
        ColumnSpec(one.name, one, "*", "mini", "bench", Params(max_tokens=tokens), Capabilities()) for one in prompts
    ]
    evalset = EvalSet(
        "tickets", f"{words:012x}", "evalsets/tickets.toml", (), examples, (MetricSpec("exact", "exact"),)
    )
    return make_plan(evalset, examples, columns)


def shapes(scale: float) -> list[Shape]:
    """The runs, for a model of so many words a token."""
    half, long, own = (int(tokens * scale) for tokens in (200, 400, 50))  # the other ten are REPLY
    beginning = text(half, 1)
    versions = [f"{beginning} {text(long - half, version)}" for version in (2, 3, 4)]
    three = plan_of(versions, own, 32)
    edited = plan_of([versions[0] + " now be brief", *versions[1:]], own, 32)
    found = [
        Shape("(a) a beginning of 400 tokens shared, 32 out", (plan_of(versions[:1], own, 32),)),
        Shape("(b) nothing shared, 64 out", (plan_of([""], own, 64),)),
        Shape("(c) three versions", (three,)),
        Shape("(d) (c) again, one version's last sentence edited", (three, edited)),
    ]
    wanted = os.environ.get("PROMPTLAB_BENCH_SHAPES", "abcd")
    return [shape for shape in found if shape.name[1] in wanted]


@contextmanager
def opened(setting: Setting) -> Iterator[Engine]:
    engine = Engine(str(setting.path).encode(), 1024, threads=1, plain=True)
    try:
        yield engine
    finally:
        engine.close()


def words_per_token(engine: Engine) -> float:
    empty, full = (len(engine.tokens((Message("user", text(words, 5)),))) for words in (0, 100))
    return 100 / (full - empty)


def least_tokens(engine: Engine, shape: Shape) -> int:
    """Prompt tokens of the last run that nothing before it has: what must be evaluated by whoever repeats nothing."""
    known = {cell.key for plan in shape.plans[:-1] for cell in plan.cells}
    cells = {cell.key: cell for plan in shape.plans for cell in plan.cells if cell.request}
    prompts = sorted(
        (engine.tokens(cell.request.messages).astype(">i4").tobytes(), key not in known)
        for key, cell in cells.items()
        if cell.request
    )
    count, last = 0, np.empty(0, np.int32)
    for data, is_new in prompts:
        tokens = np.frombuffer(data, ">i4").astype(np.int32)
        count += (len(tokens) - common(last, tokens)) * is_new
        last = tokens
    return count


def contend(setting: Setting, shape: Shape, folder: Path) -> dict[str, Spent]:
    """Everybody's turn, one after the other."""
    folder.mkdir()
    last = shape.plans[-1]
    found = {
        "promptlab": promptlab(setting, shape.plans, folder),
        LOOP: loop(setting, last, reset=False),
        RESET: loop(setting, last, reset=True),
    }
    if shape.name.startswith("(a)"):
        found["promptlab, reproducible"] = promptlab(setting, shape.plans, folder / "again", reproducible=True)
    program = os.environ.get("PROMPTLAB_BENCH_SERVER")
    for slots in SLOTS if program else ():
        with Server(setting, slots, Path(str(program)), folder / "server.log") as server:
            for past in shape.plans[:-1]:
                server.run(past)
            found[f"{COLD if len(shape.plans) == 1 else WARM} -np {slots}"] = server.run(last)
            if len(shape.plans) == 1:
                found[f"{WARM} -np {slots}"] = server.run(last)
    return found


def seconds(spent: Spent, threads: int) -> float:
    return spent.cpu if threads == 1 else spent.wall


def verdicts(shape: Shape, found: dict[str, Spent], threads: int) -> Iterator[tuple[str, float, float]]:
    """What was to be reached, and what was: the name, times faster, and the bar."""
    own = seconds(found["promptlab"], threads)
    for name, bar in BARS.get(threads, {}).get(shape.name[:3], {}).items():
        others = [seconds(spent, threads) for other, spent in found.items() if other.startswith(name)]
        if others:
            yield name, min(others) / own, bar


def files() -> list[Path]:
    given = os.environ.get("PROMPTLAB_BENCH_GGUF")
    return [MINI, Path(given)] if given else [MINI]


@pytest.mark.benchmark
@pytest.mark.local
@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_the_engine_against_loops_and_servers(path: Path, tmp_path: Path) -> None:
    threads = int(os.environ.get("PROMPTLAB_BENCH_THREADS", "1"))
    setting = Setting(path, threads, plain=os.environ.get("PROMPTLAB_BENCH_KERNELS") != "all")
    with opened(setting) as engine:
        all_shapes = shapes(words_per_token(engine))
        least = [least_tokens(engine, shape) for shape in all_shapes]
    rate = prompt_rate(setting, tmp_path)[threads == 1]
    print(f"\n{path.name}, {threads} threads, {'plain' if setting.plain else 'all'} kernels; {EXAMPLES} examples;")
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}; prompts alone: {rate:.0f} tokens a second")
    if "PROMPTLAB_BENCH_SERVER" not in os.environ:
        print("llama-server is left out: PROMPTLAB_BENCH_SERVER does not name one")
    missed: list[str] = []
    for shape, prompt_tokens in zip(all_shapes, least, strict=True):
        found = contend(setting, shape, tmp_path / shape.name[1])
        own = found["promptlab"]
        asked = len({one.key for one in requests_of(shape.plans[-1])})
        print(f"{shape.name}: {asked} cells\n  {'':26} {'wall s':>8} {'CPU s':>8} {'tokens':>7} {'× ours':>7}")
        for name, spent in found.items():
            times = seconds(spent, threads) / seconds(own, threads)
            print(f"  {name:26} {spent.wall:8.2f} {spent.cpu:8.2f} {spent.tokens:7} {times:7.2f}", flush=True)
        written = own.tokens * (1 if len(shape.plans) == 1 else least_share(shape))
        bound = (prompt_tokens + written) / rate
        share = bound / seconds(own, threads)
        print(f"  roofline: every new token at the rate of prompts alone takes {bound:.2f} s; reached {share:.0%}")
        for name, times, bar in verdicts(shape, found, threads):
            print(f"  {'reached' if times >= bar else 'MISSED '} {times:5.2f} × {name} (bar {bar})")
            if times < bar and path != MINI:
                missed.append(f"{shape.name[:3]} {times:.2f} × {name}, bar {bar}")
        assert seconds(own, threads) < seconds(found[RESET], threads)
    assert not missed, "; ".join(missed)


def least_share(shape: Shape) -> float:
    """The share of the last run's cells that no run before it answered."""
    known = {cell.key for plan in shape.plans[:-1] for cell in plan.cells}
    keys = {cell.key for cell in shape.plans[-1].cells}
    return len(keys - known) / len(keys)
