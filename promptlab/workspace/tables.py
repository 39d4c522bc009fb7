"""Several keys and tables of a TOML file set, added and taken out in place, at once and with one proof.

Every byte that no change is about stays: comments, order, line ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from promptlab.errors import InvalidFile
from promptlab.workspace.edit import ADVICE, literal, with_lf, written_key
from promptlab.workspace.faults import CannotEdit
from promptlab.workspace.scan import KeyPath, places
from promptlab.workspace.sheet import items, mapping
from promptlab.workspace.toml import parse, show_path


class Gone:
    """What a key is set to that is to be taken out."""


GONE = Gone()


class Change(NamedTuple):
    """One key path, and what is to stand there.

    Attributes:
        path: In the file as it is: ``("decision", "alpha")``, ``("examples", 3)``. The index after the last one adds.
        value: A value of TOML, a table of such values, or ``GONE``.
    """

    path: KeyPath
    value: object


def change_tables(data: bytes, changes: Sequence[Change], *, above: str = "") -> bytes:
    """Make all the changes, and no other.

    Args:
        data: The file's bytes.
        changes: Of different paths.
        above: Key of the array of tables before which a new table is written; at the end where there is none.

    Raises:
        CannotEdit: The file is not TOML, or writes something in a way that cannot be changed without rewriting what
            is beside it. The sentence advises to use an editor.
    """
    try:
        before = parse(data, "")
    except InvalidFile as fault:
        raise CannotEdit(f"The file cannot be edited in place. {fault} {ADVICE}") from None
    after: object = before
    for change in changes:
        after = _with(after, change.path, with_lf(change.value))
    file = _File(data.decode("utf-8"), before, after, above)
    # First what goes: what is added goes behind it.
    for change in sorted(changes, key=lambda change: not isinstance(change.value, Gone)):
        file.change(change.path)
    try:
        edited = file.spliced().encode("utf-8")
    except UnicodeEncodeError:
        raise CannotEdit("The text holds half of a surrogate pair, which no file can.") from None
    try:
        proof: object = parse(edited, "")
    except InvalidFile:
        proof = None
    if not _same(proof, _compact(after)):
        where = ", ".join(show_path(change.path) for change in changes[:3])
        raise CannotEdit(f"`{where}` cannot be changed without changing something else. {ADVICE}")
    return edited


class _Splice(NamedTuple):
    start: int
    end: int
    text: str


class _File:
    """A text with its trees before and after, and the splices that lead from one to the other."""

    def __init__(self, text: str, before: object, after: object, above: str) -> None:
        self._text = text
        self._before = before
        self._after = after
        self._above = above
        self._places = places(text)
        heads = (place.key for place in self._places.values() if place.start == place.end)
        self._heads = sorted({at for at in heads if text.startswith("[", at)})
        self._splices: dict[KeyPath, _Splice] = {}

    def change(self, path: KeyPath) -> None:
        """Note the splices after which there stands at a path what the tree afterwards has there."""
        outer = next((path[:end] for end in range(1, len(path)) if self._is_inline(path[:end])), None)
        place, value = self._places.get(path), _compact(_at(self._after, path))
        if outer is not None and (place is None or isinstance(value, Gone)):
            path, place, value = outer, self._places[outer], _compact(_at(self._after, outer))
        if isinstance(value, Gone):
            self._take_out(path)
        elif place is None:
            self._add(path, value)
        elif place.start != place.end:
            written = literal(value, self._text[place.start : place.end])
            self._splices[path] = _Splice(place.start, place.end, written)
        else:
            for key in self._differing(path, value):
                self.change((*path, key))

    def _differing(self, path: KeyPath, value: object) -> list[str]:
        was, new = mapping(_at(self._before, path)), mapping(value)
        if was is None or new is None:
            raise CannotEdit(f"`{show_path(path)}` is a table in this file, and is to be none. {ADVICE}")
        return [key for key in {**was, **new} if not _same(was.get(key, GONE), new.get(key, GONE))]

    def _is_inline(self, path: KeyPath) -> bool:
        place = self._places.get(path)
        return place is not None and place.start != place.end

    # -- taking out ---------------------------------------------------------------------------------------

    def _take_out(self, path: KeyPath) -> None:
        place = self._places.get(path)
        if place is None:
            return  # it was not there
        start = self._line_start(place.key)
        end = self._line_end(self._end_of(path))
        if place.start == place.end and self._is_blank(end):
            end = self._line_end(end)  # of the two gaps around a table one stays
        self._splices[path] = _Splice(start, end, "")

    def _end_of(self, path: KeyPath) -> int:
        """Where the last value below a path ends; of a table without any, its header."""
        return max(place.end for below, place in self._places.items() if below[: len(path)] == path)

    # -- adding -------------------------------------------------------------------------------------------

    def _add(self, path: KeyPath, value: object) -> None:
        parent = path[:-1]
        if isinstance(path[-1], int):
            self._add_table(path, value)
        elif parent and parent not in self._places:
            self._add(parent, _compact(_at(self._after, parent)))
        elif not parent and mapping(value) is not None:
            self._add_table(path, value)
        else:
            head = self._places[parent].key if parent else -1
            stop = next((at for at in self._heads if at > head), len(self._text))
            ends = [place.end for place in self._places.values() if head < place.key < stop]
            line = f"{written_key(str(path[-1]))} = {literal(value)}\n"
            if ends or parent:
                at = self._line_end(max([*ends, head]))
            else:
                at = self._line_start(stop) if stop < len(self._text) else stop
            self._splices[path] = _Splice(at, at, self._on_own_line(at) + line)

    def _add_table(self, path: KeyPath, value: object) -> None:
        table = mapping(value)
        if table is None:
            raise CannotEdit(f"`{show_path(path)}` can only be a table. {ADVICE}")
        name = ".".join(written_key(part) for part in path if isinstance(part, str))
        lines = [f"[[{name}]]" if isinstance(path[-1], int) else f"[{name}]"]
        lines += [f"{written_key(key)} = {literal(item)}" for key, item in table.items()]
        block = "\n".join(lines) + "\n"
        last = self._last_of(path[:-1]) if isinstance(path[-1], int) else None
        first = self._places.get((self._above, 0))
        if last is not None:
            at = self._splices[last].end if last in self._splices else self._line_end(self._end_of(last))
            heads = (self._places[(*last[:-1], index)].key for index in range(int(last[-1]) + 1))
            parted = path[-1] == 1 or any(self._is_blank(self._line_start(head - 1)) for head in heads)
            gap = "\n" if parted and last not in self._splices else ""
        elif first is not None and first.start == first.end:
            at, gap, block = self._line_start(first.key), "", block + "\n"
        else:
            at, gap = len(self._text), "\n"
        self._splices[path] = _Splice(at, at, self._on_own_line(at) + gap + block)

    def _last_of(self, array: KeyPath) -> KeyPath | None:
        """The last table of an array that has a header of its own."""
        count = len(items(_at(self._before, array)) or ())
        return (*array, count - 1) if count and not self._is_inline((*array, count - 1)) else None

    # -- lines --------------------------------------------------------------------------------------------

    def _line_start(self, at: int) -> int:
        return self._text.rfind("\n", 0, max(at, 0)) + 1

    def _line_end(self, at: int) -> int:
        found = self._text.find("\n", at)
        return found + 1 if found >= 0 else len(self._text)

    def _is_blank(self, at: int) -> bool:
        return at < len(self._text) and not self._text[at : self._line_end(at)].strip()

    def _on_own_line(self, at: int) -> str:
        return "\n" if at and self._text[at - 1] != "\n" else ""

    def spliced(self) -> str:
        """The text with every splice made; one that lies within another is part of it already."""
        newline = "\r\n" if self._text.count("\r\n") * 2 > self._text.count("\n") else "\n"
        text = self._text
        order = sorted(enumerate(self._splices.values()), key=lambda item: (item[1].start, item[1].end, item[0]))
        kept: list[_Splice] = []
        for _, splice in order:
            if kept and splice.end <= kept[-1].end and splice.start < kept[-1].end:
                continue
            while kept and kept[-1].start >= splice.start and kept[-1].end < splice.end:
                kept.pop()
            kept.append(splice)
        for splice in reversed(kept):
            text = text[: splice.start] + splice.text.replace("\n", newline) + text[splice.end :]
        return text


def _with(tree: object, path: KeyPath, value: object) -> object:
    """The tree with a value at a path. A list keeps a hole where something was taken out, so that indexes stay."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(head, int):
        array = items(tree) or []
        if head > len(array):
            raise CannotEdit(f"There is no table {head + 1} to change. {ADVICE}")
        old: object = array[head] if head < len(array) else None
        return [*array[:head], _with(old, rest, value), *array[head + 1 :]]
    table = dict(mapping(tree) or {})
    new = _with(table.get(head), rest, value)
    if isinstance(new, Gone):
        table.pop(head, None)
    else:
        table[head] = new
    return table


def _at(tree: object, path: KeyPath) -> object:
    for part in path:
        if isinstance(part, int):
            array = items(tree) or []
            tree = array[part] if part < len(array) else GONE
        else:
            tree = (mapping(tree) or {}).get(part, GONE)
    return tree


def _compact(tree: object) -> object:
    """The tree without holes; an array that has nothing but holes is gone."""
    if (table := mapping(tree)) is not None:
        left = {key: _compact(item) for key, item in table.items()}
        return {key: item for key, item in left.items() if not isinstance(item, Gone)}
    if (array := items(tree)) is not None:
        there = [_compact(item) for item in array if not isinstance(item, Gone)]
        return GONE if array and not there else there
    return tree


def _same(one: object, other: object) -> bool:
    """Equal in value and in type, for 1 == 1.0 == True, and nan is no other nan; the order of keys does not count."""
    left, right = mapping(one), mapping(other)
    if left is not None and right is not None:
        return left.keys() == right.keys() and all(_same(item, right[key]) for key, item in left.items())
    first, second = items(one), items(other)
    if first is not None and second is not None:
        return len(first) == len(second) and all(map(_same, first, second))
    return type(one) is type(other) and repr(one) == repr(other)
