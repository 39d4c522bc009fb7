"""The local engine against a plain loop over ``Llama.create_chat_completion``: same file, same requests, greedy.

Run it with: pytest -s -m benchmark tests/benchmarks/bench_engine.py

``PROMPTLAB_BENCH_GGUF`` names a further file to measure, such as one of tools/make_gguf.py; without it the packaged
mini is measured. One thread and CPU seconds, so that other programs disturb little; all contenders use the kernels of
the plain instruction set, since some virtual machines announce units that they do not run. A loop is timed on its
first prompts and scaled: its first prompt once, the mean of the others for each of the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from gguf_support import MINI

from promptlab.models.gguf.scheduler import Mode
from promptlab.models.values import Request
from promptlab.workspace.values import Message, Params

llama_cpp = pytest.importorskip("llama_cpp", reason="the local engine is not installed")

from promptlab.models.gguf.engine import Engine  # noqa: E402

EXAMPLES = 64
TIMED = 6
WORDS = "the parcel is late and my card was charged twice so please send the money back today".split()  # noqa: SIM905
REPLY = "Write a polite reply to this ticket."  # the packaged models answer it with as much as they may write


def text(words: int, first: int) -> str:
    return " ".join(WORDS[(first * 7 + place * (first + 3)) % len(WORDS)] for place in range(words))


def requests(shared: str, own: int, tokens: int, name: str = "") -> list[Request]:
    return [
        Request(
            f"{name}{index}",
            (
                Message("system", shared),
                Message("user", f"{text(own, index)}\n\n{REPLY}"),
            ),
            Params(max_tokens=tokens),
        )
        for index in range(EXAMPLES)
    ]


def shapes(scale: float) -> dict[str, list[list[Request]]]:
    """Calls by the name of their shape: the last call of each is measured, those before it are its past."""
    sizes = {name: int(count * scale) for name, count in {"long": 400, "half": 200, "suffix": 60}.items()}
    half, rest = text(sizes["half"], 1), [text(sizes["long"] - sizes["half"], version) for version in (2, 3, 4)]
    versions = [f"{half} {part}" for part in rest]
    own = sizes["suffix"]
    three = [one for number, shared in enumerate(versions) for one in requests(shared, own, 32, f"{number} ")]
    edited = requests(versions[0] + " now be brief", own, 32)
    return {
        "(a) shared beginning, 32 tokens out": [requests(versions[0], own, 32)],
        "(b) nothing shared, 64 tokens out": [requests("", own, 64)],
        "(c) three versions": [three],
        "(d) one version's end edited": [three, edited],
    }


def words_per_token(path: Path) -> float:
    engine = Engine(str(path).encode(), 1024, threads=1, plain=True)
    try:
        empty, full = (len(engine.tokens((Message("user", text(words, 5)),))) for words in (0, 100))
        return 100 / (full - empty)
    finally:
        engine.close()


@contextmanager
def plain_kernels() -> Iterator[None]:
    """Models are loaded without rearranged weights, whoever loads them."""
    original = llama_cpp.llama_model_default_params

    def params() -> object:
        found = original()
        found.use_extra_bufts = False
        return found

    llama_cpp.llama_cpp.llama_model_default_params = params
    try:
        yield
    finally:
        llama_cpp.llama_cpp.llama_model_default_params = original


def cpu(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def loop(path: Path, jobs: Sequence[Request], reset: bool) -> float:
    """CPU seconds of a loop over all jobs, from those of the first."""
    with plain_kernels():
        model = llama_cpp.Llama(str(path), n_ctx=1024, n_threads=1, n_threads_batch=1, verbose=False)

    def ask(request: Request) -> None:
        if reset:
            model.reset()
            model._ctx.kv_cache_clear()
        model.create_chat_completion(
            [{"role": message.role, "content": message.content} for message in request.messages],
            temperature=0.0,
            max_tokens=request.params.max_tokens,
        )

    first, *others = [cpu(lambda request=request: ask(request)) for request in jobs[:TIMED]]
    model.close()
    return first + sum(others) / len(others) * (len(jobs) - 1)


def ours(path: Path, calls: Sequence[Sequence[Request]], mode: Mode) -> tuple[float, int]:
    """CPU seconds of the last call, and the tokens that it wrote."""
    engine = Engine(str(path).encode(), 1024, threads=1, plain=True, mode=mode)
    try:
        for past in calls[:-1]:
            engine.answer(past)
        begin = time.process_time()
        outcomes = engine.answer(calls[-1])
        spent = time.process_time() - begin
        assert [outcome.fault for outcome in outcomes if outcome.fault] == []
        return spent, sum(outcome.usage.completion for outcome in outcomes)
    finally:
        engine.close()


@pytest.mark.benchmark
@pytest.mark.local
def test_the_engine_against_a_plain_loop() -> None:
    given = os.environ.get("PROMPTLAB_BENCH_GGUF")
    path = Path(given) if given else MINI
    print(f"\n{path.name}: {EXAMPLES} examples, 1 thread, CPU seconds, plain kernels")
    print(f"  {'':38} {'tokens':>7} {'ours':>7} {'invariant':>9} {'x loop':>7} {'x reset':>7}")
    for name, calls in shapes(words_per_token(path)).items():
        spent, tokens = ours(path, calls, Mode())
        invariant, _ = ours(path, calls, Mode(invariant=True))
        default, reset = (loop(path, calls[-1], reset=reset) for reset in (False, True))
        figures = f"{spent:7.2f} {invariant:9.2f} {default / spent:7.2f} {reset / spent:7.2f}"
        print(f"  {name:38} {tokens:7} {figures}", flush=True)
        assert spent < reset
