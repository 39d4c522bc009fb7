"""The examples of a large eval set, as JSON: each is made when it is looked at."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, islice
from typing import overload

import msgspec

from promptlab.workspace.values import Example

MANY = 20_000
"""Examples from which a set is held as JSON. An example as an object takes seven times as much as its text."""


class PackedExamples(Sequence[Example]):
    """Examples that are many.

    Attributes:
        ids: Of all of them, in order.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._data = bytearray(b"[")
        self._begins = array("Q")

    def add(self, example: Example) -> None:
        """Take in one more.

        Raises:
            UnicodeEncodeError: It holds half of a surrogate pair, which JSON cannot say.
        """
        data = _encoder.encode(example)
        self.ids.append(example.id)
        self._begins.append(len(self._data))
        self._data += data
        self._data += b","

    @cached_property
    def rows(self) -> dict[str, int]:
        """Their places by their ids. To be looked at when all of them are there."""
        return {id: at for at, id in enumerate(self.ids)}

    @property
    def json(self) -> msgspec.Raw:
        """All of them, at least one, as a list in JSON."""
        return msgspec.Raw(self._data[:-1] + b"]")

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...

    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        if isinstance(index, slice):
            return tuple(self[at] for at in range(*index.indices(len(self))))
        begin = self._begins[index]
        after = index % len(self) + 1
        end = self._begins[after] if after < len(self) else len(self._data)
        return _decoder.decode(memoryview(self._data)[begin : end - 1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackedExamples) and self._data == other._data

    __hash__ = None  # type: ignore[assignment] as of every mutable sequence


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Example)


def held(examples: Iterable[Example], about: int = 0) -> Sequence[Example]:
    """Examples to keep: few as they are, many packed; as they are, too, where they cannot be.

    Args:
        about: How many there are, if that is known: many need not be made to be counted.
    """
    if isinstance(examples, PackedExamples) or (isinstance(examples, tuple) and len(examples) < MANY):
        return examples
    rest = iter(examples)
    if about >= MANY:
        return _packed(rest)
    few = tuple(islice(rest, MANY))
    if len(few) < MANY:
        return few
    rest = chain(few, rest)
    del few  # it goes as it is packed
    return _packed(rest)


def _packed(rest: Iterator[Example]) -> Sequence[Example]:
    packed = PackedExamples()
    for example in rest:
        try:
            packed.add(example)
        except UnicodeEncodeError:
            return (*packed, example, *rest)
    return packed


def ids_of(examples: Sequence[Example]) -> Sequence[str]:
    """The ids of examples, in order."""
    return examples.ids if isinstance(examples, PackedExamples) else [example.id for example in examples]


def rows_of(examples: Sequence[Example]) -> Mapping[str, int]:
    """The places of examples by their ids."""
    if isinstance(examples, PackedExamples):
        return examples.rows
    return {example.id: at for at, example in enumerate(examples)}


def by_id(examples: Sequence[Example]) -> Mapping[str, Example]:
    """Examples by their ids."""
    return _ById(examples) if isinstance(examples, PackedExamples) else {one.id: one for one in examples}


class _ById(Mapping[str, Example]):
    def __init__(self, examples: PackedExamples) -> None:
        self._examples = examples

    def __getitem__(self, id: str) -> Example:
        return self._examples[self._examples.rows[id]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._examples.ids)

    def __len__(self) -> int:
        return len(self._examples)
