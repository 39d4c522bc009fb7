"""How the native context is made."""

from __future__ import annotations

import pytest
from gguf_support import MINI, ask

pytest.importorskip("llama_cpp", reason="the local engine is not installed")

import llama_cpp as native

from promptlab.models.gguf.engine import Engine

pytestmark = pytest.mark.local

AUTO, OFF = native.LLAMA_FLASH_ATTN_TYPE_AUTO, native.LLAMA_FLASH_ATTN_TYPE_DISABLED


@pytest.mark.parametrize(
    ("information", "attention"),
    [(b"CPU : AVX512 = 1 | AMX_INT8 = 1 | REPACK = 1 | ", OFF), (b"CPU : AVX512 = 1 | REPACK = 1 | ", AUTO)],
)
def test_flash_attention_is_left_out_where_the_library_is_slow_at_it(
    information: bytes, attention: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[int] = []
    make = native.llama_init_from_model

    def spy(model: native.llama_model_p, params: native.llama_context_params) -> object:
        chosen.append(params.flash_attn_type)
        return make(model, params)

    monkeypatch.setattr(native, "llama_init_from_model", spy)
    monkeypatch.setattr(native, "llama_print_system_info", lambda: information)
    engine = Engine(str(MINI).encode(), 512, threads=1, plain=True)
    try:
        (outcome,) = engine.answer([ask()])
    finally:
        engine.close()
    assert outcome.text == "billing"
    assert chosen == [attention]
