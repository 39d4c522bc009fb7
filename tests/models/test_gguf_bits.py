"""The same bits: whatever stands beside a cell in the reproducible mode; for the same schedule in the fast one."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from gguf_support import LABELS, MINI, NANO, TICKET

from promptlab.models.values import Constraint, Outcome, Request
from promptlab.workspace.values import Message, Params

pytest.importorskip("llama_cpp", reason="the local engine is not installed")

import llama_cpp as native

from promptlab.models.gguf import engine as engines
from promptlab.models.gguf.engine import Engine
from promptlab.models.gguf.scheduler import Mode

pytestmark = pytest.mark.local

SYSTEM = "Read the ticket with care and answer as the rules of the house say. "


class Way(NamedTuple):
    """How the same cells are asked."""

    slots: int
    share: bool
    threads: int


ONE_BY_ONE = Way(1, share=False, threads=1)
WAYS = (
    Way(4, share=True, threads=1),
    Way(16, share=False, threads=1),
    Way(16, share=True, threads=2),  # the one with the fewest steps: beside other tests, two threads wait long
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("quantised")


def quantised(path: Path, folder: Path) -> Path:
    """A packaged model (whose weights are q8_0) with weights of q4_0, which take rows by four."""
    target = folder / f"{path.stem}-q4_0.gguf"
    params = native.llama_model_quantize_default_params()
    params.ftype, params.allow_requantize, params.pure, params.nthread = native.LLAMA_FTYPE_MOSTLY_Q4_0, True, True, 1
    assert native.llama_model_quantize(str(path).encode(), str(target).encode(), ctypes.byref(params)) == 0
    return target


def cells(count: int) -> list[Request]:
    """Two versions with a beginning in common; greedy, sampled, held to a contract; answers of 1 to 9 tokens."""
    found: list[Request] = []
    for number in range(count):
        version = ("Be brief.", "Be kind.")[number % 2]
        messages = (
            Message("system", f"{SYSTEM}{version}"),
            Message("user", TICKET[number % 11 :: 1 + number % 3]),
        )
        params = Params(temperature=(0.0, 0.0, 1.0)[number % 3], max_tokens=1 + number * 5 % 9)
        constraint = Constraint(choices=LABELS) if number % 5 == 4 else None
        found.append(Request(str(number), messages, params, number, constraint, logprobs=0))
    return found


def asked(path: Path, requests: list[Request], way: Way, invariant: bool = True) -> list[Outcome]:
    """Outcomes without their times."""
    mode = Mode(slots=way.slots, share=way.share, invariant=invariant)
    engine = Engine(str(path).encode(), None, way.threads, plain=True, mode=mode)
    try:
        assert engine.mode == mode  # as the self-test at load agrees
        return [msgspec.structs.replace(outcome, latency=0) for outcome in engine.answer(requests)]
    finally:
        engine.close()


@pytest.mark.parametrize("model", ["mini q8_0", "nano q4_0"])
def test_reproducible_cells_have_the_same_tokens_and_log_probabilities_in_every_way(
    model: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, count = (NANO, 40) if model.startswith("nano") else (MINI, 24)
    path = quantised(path, folder) if model.endswith("q4_0") else path
    requests = cells(count)
    expected = asked(path, requests, ONE_BY_ONE)
    assert [outcome.fault for outcome in expected if outcome.fault] == []
    assert sum(len(outcome.logprobs) for outcome in expected) > len(requests)
    monkeypatch.setattr(engines, "is_invariant", lambda file, threads: True)  # it was tried once, and takes a while
    for way in WAYS:
        assert asked(path, requests, way) == expected, way


def test_fast_cells_of_the_same_schedule_have_the_same_bits_again(folder: Path) -> None:
    requests = cells(32)
    for path in (NANO, quantised(NANO, folder)):
        way = Way(16, share=True, threads=1)
        assert asked(path, requests, way, invariant=False) == asked(path, requests, way, invariant=False)
