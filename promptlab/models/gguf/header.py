"""What a GGUF file says of itself, without the engine: the metadata and the table of tensors at its beginning.

Read here in Python, with every length checked against the file: nothing of a hostile file reaches native code.
The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import os
import struct
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from promptlab.errors import ModelFault
from promptlab.models.gguf.files import check_file

_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)
_MOST_ENTRIES = 1_000_000  # of metadata, tensors or an array of texts: far beyond any model there is
_LONGEST_TEXT = 1 << 20  # of a key, a name, a template
_MOST_DIMENSIONS = 8

# ggml_type of ggml.h
_TYPES = {
    **dict(enumerate(("F32", "F16", "Q4_0", "Q4_1"))),
    **dict(enumerate(("Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_K"), 6)),
    **dict(enumerate(("IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS"), 16)),
    **dict(enumerate(("I8", "I16", "I32", "I64", "F64", "IQ1_M", "BF16"), 24)),
    **{34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4"},
}


class Header(Struct, frozen=True):
    """What a file says of itself.

    Attributes:
        name, license: As whoever made the file wrote them, or "".
        context: Tokens that the model was trained on, or None.
        template: Its chat template in Jinja, or "".
        parameters: How many weights it has.
        quantisation: Share of the weights in each type, the largest first: ``("Q4_0", 0.98)``.
    """

    architecture: str
    name: str
    license: str
    context: int | None
    template: str
    parameters: int
    quantisation: tuple[tuple[str, float], ...]


def read_header(path: Path) -> Header:
    """Read the beginning of a file; the weights are not read.

    Raises:
        ModelFault: As ``check_file``, or the beginning of the file is damaged.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            reader = _Reader(file, os.fstat(file.fileno()).st_size)
            return _header(reader)
    except _Damaged as damage:
        raise ModelFault(f"{path}: this file is damaged ({damage}). Download or copy the model again.") from None
    except OSError as fault:
        raise ModelFault(
            f"{path}: this file cannot be read ({fault.strerror or fault}). Check the path and the disk."
        ) from None


class _Damaged(Exception):
    """What is wrong with the file."""


class _Reader:
    """Takes values off the beginning of a file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def take(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise _Damaged("it ends in the midst of its metadata")
        return data

    def skip(self, count: int) -> None:
        if count > self._size - self._file.tell():
            raise _Damaged("it ends in the midst of its metadata")
        self._file.seek(count, os.SEEK_CUR)

    def number(self, kind: str) -> int | float | bool:
        value: int | float | bool = struct.unpack(kind, self.take(struct.calcsize(kind)))[0]
        return value

    def count(self, kind: str = "<Q", most: int = _MOST_ENTRIES) -> int:
        value = int(self.number(kind))
        if value > most:
            raise _Damaged(f"it announces {value} of something that has {most} at most")
        return value

    def text(self) -> str:
        return self.take(self.count(most=_LONGEST_TEXT)).decode("utf-8", "replace")

    def value(self) -> object:
        """One value of the metadata; arrays are passed over, and give None."""
        kind = self.count("<I")
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            return self._pass_array()
        if kind not in _NUMBERS:
            raise _Damaged(f"its metadata has a value of the unknown type {kind}")
        return self.number(_NUMBERS[kind])

    def _pass_array(self) -> None:
        kind = self.count("<I")
        if kind in _NUMBERS:
            self.skip(self.count(most=self._size) * struct.calcsize(_NUMBERS[kind]))
            return
        if kind != _STRING:
            raise _Damaged(f"its metadata has an array of the unknown type {kind}")
        for _ in range(self.count()):
            self.skip(self.count(most=self._size))


def _header(reader: _Reader) -> Header:
    reader.skip(4)  # check_file saw the magic bytes
    version = reader.count("<I", most=2**32)
    if version not in _VERSIONS:
        raise _Damaged(f"it is of version {version} of the format; known are {_VERSIONS[0]} and {_VERSIONS[1]}")
    tensors, entries = reader.count(), reader.count()
    known: dict[str, object] = {}
    for _ in range(entries):
        key = reader.text()
        known[key] = reader.value()
    weights: Counter[str] = Counter()
    for _ in range(tensors):
        reader.text()
        dimensions = [reader.count(most=2**48) for _ in range(reader.count("<I", most=_MOST_DIMENSIONS))]
        kind = reader.count("<I")
        weights[_TYPES.get(kind, f"type {kind}")] += math.prod(dimensions)
        reader.skip(8)  # where its data begins
    return _from(known, weights)


def _from(known: dict[str, object], weights: Counter[str]) -> Header:
    def text(key: str) -> str:
        value = known.get(key)
        return value if isinstance(value, str) else ""

    architecture = text("general.architecture")
    context = known.get(f"{architecture}.context_length")
    total = weights.total()
    return Header(
        architecture=architecture,
        name=text("general.name"),
        license=text("general.license") or text("general.license.name"),
        context=context if isinstance(context, int) else None,
        template=text("tokenizer.chat_template"),
        parameters=total,
        quantisation=tuple((kind, count / total) for kind, count in weights.most_common() if count),
    )
