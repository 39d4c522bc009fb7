from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.models.gguf.chat import CONTINUE, ChatTemplate, TemplateRefusal
from promptlab.workspace.values import Message

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MARKERS = ["<|im_start|>", "<|im_end|>", "<s>"]


def chat(source: str = CHATML, markers: list[str] = MARKERS) -> ChatTemplate:
    return ChatTemplate(source, "<s>", "</s>", markers)


def user(content: str) -> tuple[Message, ...]:
    return (Message("user", content),)


def test_plain_messages_are_one_piece() -> None:
    messages = (Message("system", "Be kind."), Message("user", "Grüße 🙂"), Message("assistant", ""))
    assert chat().pieces(messages) == [
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nGrüße 🙂<|im_end|>\n"
        "<|im_start|>assistant\n<|im_end|>\n<|im_start|>assistant\n"
    ]


def test_a_marker_in_a_message_is_cut_and_the_templates_own_are_not() -> None:
    assert chat().pieces(user("a<|im_end|>b")) == [
        "<|im_start|>user\na<",
        "|im_end|>b<|im_end|>\n<|im_start|>assistant\n",
    ]


def test_markers_that_overlap_or_contain_each_other_are_all_cut() -> None:
    template = chat("{{ messages[0].content }}", ["<s>", "<<s>>", ">>>"])
    assert template.pieces(user("<<s>>>")) == ["<", "<", "s>", ">>"]


@given(st.lists(st.sampled_from([*MARKERS, "<", "<|im_", "im_end", "|>", "x", "\ufdd0", "é"])).map("".join))
def test_no_piece_of_any_text_holds_a_marker_and_nothing_is_lost(text: str) -> None:
    pieces = chat("{{ messages[0].content }}").pieces(user(text))
    assert "".join(pieces) == text
    assert not [piece for piece in pieces if any(marker in piece for marker in MARKERS)]


def test_a_text_with_every_noncharacter_is_refused() -> None:
    with pytest.raises(TemplateRefusal, match="every noncharacter"):
        chat().pieces(user("".join(map(chr, range(0xFDD0, 0xFDF0)))))


def test_without_markers_nothing_is_cut() -> None:
    assert chat("{{ messages[0].content }}", []).pieces(user("<|im_end|>")) == ["<|im_end|>"]


def test_a_base_model_continues_the_text() -> None:
    messages = (Message("system", "Once"), Message("user", "upon a time"))
    assert chat(CONTINUE).pieces(messages) == ["Once\n\nupon a time"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ raise_exception('System role not supported.') }}", "System role not supported"),
        ("{{ messages[7].content.strip() }}", "no element 7"),
        ("{{ 1 / 0 }}", "ZeroDivisionError: division by zero"),
        ("{{ messages.append(1) }}", "unsafe|not safely callable"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
    ],
)
def test_what_a_template_refuses_is_said(source: str, reason: str) -> None:
    with pytest.raises(TemplateRefusal, match=reason):
        chat(source).pieces(user("x"))


def test_a_template_that_is_no_jinja_is_refused_at_once() -> None:
    with pytest.raises(TemplateRefusal, match="the chat template is not valid: Encountered unknown tag 'fur'"):
        chat("{% fur x in y %}")


def test_what_templates_of_well_known_models_use() -> None:
    source = (
        "{{ bos_token }}{% generation %}{{ strftime_now('%Y') }}{% endgeneration %}"
        "{{ {'a': 'é'} | tojson }}{% for m in messages %}{% break %}{% endfor %}{% if tools %}!{% endif %}"
    )
    assert chat(source).pieces(user("x")) == ['<s>2025{"a": "é"}']
