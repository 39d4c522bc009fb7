"""What a GGUF file says of itself, and files that say something impossible."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from gguf_support import NANO, gguf_entry, gguf_tensor, gguf_text, write_header
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import ModelFault
from promptlab.models.gguf.header import Header, read_header

BEGINNING = NANO.read_bytes()[:3000]


def test_the_packaged_nano() -> None:
    found = read_header(NANO)
    assert (found.architecture, found.name, found.license, found.context) == ("llama", "ticket-nano", "MIT", 1024)
    assert found.parameters == 935_808
    assert [kind for kind, _ in found.quantisation] == ["Q8_0", "F32"]
    assert sum(share for _, share in found.quantisation) == pytest.approx(1)
    assert found.template.startswith("{% for message in messages %}")


def test_every_kind_of_entry_is_passed_over_and_shares_are_of_weights(tmp_path: Path) -> None:
    numbers = [(0, "<B"), (1, "<b"), (2, "<H"), (3, "<h"), (4, "<I"), (5, "<i"), (6, "<f"), (7, "<?"), (10, "<Q")]
    entries = [gguf_entry(f"n.{kind}".encode(), kind, struct.pack(form, 1)) for kind, form in numbers]
    entries.append(gguf_entry(b"a.numbers", 9, struct.pack("<IQ3f", 6, 3, 1, 2, 3)))
    entries.append(
        gguf_entry(b"a.texts", 9, struct.pack("<IQ", 8, 2) + gguf_text(b"one") + gguf_text("zwei\ud7ff".encode()))
    )
    entries.append(gguf_entry(b"general.architecture", 8, gguf_text(b"gemma")))
    entries.append(gguf_entry(b"gemma.context_length", 4, struct.pack("<I", 8192)))
    tensors = [gguf_tensor(b"a", 2, 30, 10), gguf_tensor(b"b", 77, 100)]
    found = read_header(write_header(tmp_path / "m.gguf", entries, tensors))
    assert found == Header("gemma", "", "", 8192, "", 400, (("Q4_0", 0.75), ("type 77", 0.25)))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"GGUF\x01\0\0\0", "it is of version 1 of the format; known are 2 and 3"),
        (b"GGUF\x03\0\0\0" + b"\xff" * 16, "it announces 18446744073709551615 of something that has 1000000 at most"),
        (BEGINNING[:300], "it ends in the midst of its metadata"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_entry(b"k", 99, b""), "a value of the unknown type 99"),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_entry(b"k", 9, struct.pack("<IQ", 9, 1)),
            "the unknown type 9",
        ),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_entry(b"k", 9, struct.pack("<IQ", 4, 20)),
            "it ends in the midst of its metadata",
        ),
    ],
)
def test_a_damaged_beginning_is_one_sentence(data: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(data)
    with pytest.raises(ModelFault) as caught:
        read_header(path)
    assert str(caught.value).startswith(f"{path}: this file is damaged (")
    assert sentence in str(caught.value)


@settings(max_examples=60)
@given(changes=st.lists(st.tuples(st.integers(4, len(BEGINNING) - 1), st.integers(0, 255)), max_size=6))
def test_whatever_bytes_are_wrong_it_is_refused(
    changes: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray(BEGINNING)
    for place, value in changes:
        data[place] = value
    path = tmp_path_factory.mktemp("fuzz") / "m.gguf"
    path.write_bytes(data)
    with pytest.raises(ModelFault):  # it is only the beginning, so it ends too early at the latest
        read_header(path)
