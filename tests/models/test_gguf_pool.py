"""How the native context is made."""

from __future__ import annotations

import pytest
from gguf_support import MINI, NANO, TICKET, ask

pytest.importorskip("llama_cpp", reason="the local engine is not installed")

import llama_cpp as native

from promptlab.models.gguf import scheduler
from promptlab.models.gguf.engine import Engine
from promptlab.models.values import Outcome

pytestmark = pytest.mark.local

AUTO, OFF = native.LLAMA_FLASH_ATTN_TYPE_AUTO, native.LLAMA_FLASH_ATTN_TYPE_DISABLED


FAST, SLOW = b"CPU : AVX512 = 1 | REPACK = 1 | ", b"CPU : AVX512 = 1 | AMX_INT8 = 1 | REPACK = 1 | "


@pytest.fixture
def contexts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Kind of attention and unity of the store of every context that is made from now on."""
    made: list[tuple[int, bool]] = []
    make = native.llama_init_from_model

    def spy(model: native.llama_model_p, params: native.llama_context_params) -> object:
        made.append((params.flash_attn_type, params.kv_unified))
        return make(model, params)

    monkeypatch.setattr(native, "llama_init_from_model", spy)
    return made


@pytest.mark.parametrize(("information", "attention"), [(SLOW, OFF), (FAST, AUTO)])
def test_flash_attention_is_left_out_where_the_library_is_slow_at_it(
    information: bytes, attention: int, contexts: list[tuple[int, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "llama_print_system_info", lambda: information)
    engine = Engine(str(MINI).encode(), 512, threads=1, plain=True)
    try:
        (outcome,) = engine.answer([ask()])
    finally:
        engine.close()
    assert outcome.text == "billing"
    assert contexts == [(attention, False)]


def test_prompts_share_one_store_where_most_of_them_is_shared(
    contexts: list[tuple[int, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "llama_print_system_info", lambda: FAST)
    alike = [ask(f"{TICKET} {TICKET} {TICKET} {TICKET} {number}") for number in range(4)]
    unlike = [ask(f"{number} {TICKET}") for number in range(4)]
    engine = Engine(str(NANO).encode(), 512, threads=1, plain=True)
    try:
        for asked in (unlike, unlike[:1], alike, alike[:1], unlike):
            assert all(outcome.fault is None for outcome in engine.answer(asked))
    finally:
        engine.close()
    # One prompt alone takes what there is: what that keeps may be of use again.
    assert [unified for _, unified in contexts] == [False, True, False]


def test_with_less_memory_fewer_prompts_lie_apart(
    contexts: list[tuple[int, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "llama_print_system_info", lambda: FAST)
    unlike = [(number, ask(f"{number} {TICKET}", key=str(number))) for number in range(12)]
    engine = Engine(str(NANO).encode(), 512, threads=1, plain=True)
    monkeypatch.setattr(scheduler, "_MOST_BYTES", 8 * 512 * engine._file.token_bytes)
    at_once: list[int] = []
    try:
        engine.add(unlike)
        outcomes: list[Outcome] = []
        while engine.busy:
            engine.admit()
            at_once.append(len(engine._scheduler.running))
            outcomes += [outcome for _, outcome in engine.step()]
    finally:
        engine.close()
    assert sorted(outcome.key for outcome in outcomes if outcome.fault is None) == sorted(r.key for _, r in unlike)
    assert contexts == [(AUTO, False)]
    assert max(at_once) == 5  # of eight sequences a third is kept for what prompts share
