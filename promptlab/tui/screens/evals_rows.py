"""What Evals shows: a row for each example, all of one example, a row for each setting, what an import would add."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from promptlab.lab.examples import as_text
from promptlab.lab.wording import plural
from promptlab.tui.widgets.columns import Cell, Column
from promptlab.tui.widgets.textview import Piece
from promptlab.workspace.values import Example

if TYPE_CHECKING:
    from promptlab.lab.evalset_settings import Setting
    from promptlab.lab.examples import ExampleList
    from promptlab.lab.importing import Import

COLUMNS = (
    Column("mark", "", 1),
    Column("id", "id", 8),
    Column("text", "example", 12, grow=True),
    Column("expected", "expected", 12, drop=1),
    Column("tags", "tags", 16, drop=2),
    Column("split", "split", 6, drop=3),
)
SETTING_COLUMNS = (
    Column("label", "", 11),
    Column("text", "", 10, grow=True),
    Column("note", "", 34, drop=1),
)
NO_EVALSET = "No eval set yet: n creates one, i makes one of a CSV or JSONL file."
NO_MATCH = "No example has that: Esc takes the filter away."
_SHOWN = 200
"""Characters of a text that a row is made of."""
_SAMPLE = 3


class ExampleRows:
    """The examples that the filter leaves. ``◼`` is marked, ``=`` asks the same as another one."""

    def __init__(self, examples: ExampleList, shown: Sequence[int], marked: Collection[str]) -> None:
        self._examples = examples
        self._shown = shown
        self._marked = marked
        ids = max((len(examples.evalset.examples[index].id) for index in shown), default=0)
        self.columns = tuple(
            column._replace(width=min(max(ids, 4), 16)) if column.key == "id" else column
            for column in COLUMNS
            if column.key != "split" or any(examples.in_split())
        )

    def __len__(self) -> int:
        return len(self._shown)

    def example(self, row: int) -> Example:
        """What stands in a row."""
        return self._examples.evalset.examples[self._shown[row]]

    def key(self, row: int) -> str:
        """The example's id."""
        return self.example(row).id

    def cell(self, row: int, column: str) -> Cell:
        """One field of an example, on one line."""
        example = self.example(row)
        match column:
            case "mark":
                if example.id in self._marked:
                    return Cell("◼", "accent")
                return Cell("=", "warn") if example.id in self._examples.twins else Cell("")
            case "id":
                return Cell(example.id, "dim")
            case "text":
                return Cell(" · ".join(_short(as_text(value)) for value in example.vars.values()))
            case "expected":
                return Cell("" if example.expected is None else _short(as_text(example.expected)))
            case "tags":
                return Cell(", ".join(example.tags), "dim")
            case _:
                return Cell(example.split or "", "dim")


def _short(text: str) -> str:
    return " ".join(text[:_SHOWN].split())


def example_pieces(examples: ExampleList, example: Example) -> list[Piece]:
    """All that an example says."""
    facts = [("tags", ", ".join(example.tags)), ("split", example.split), ("group", example.group)]
    pieces = (
        [Piece(" · ".join(f"{name} {text}" for name, text in facts if text) + "\n", "dim")]
        if any(text for _, text in facts)
        else []
    )
    if twin := examples.twins.get(example.id):
        pieces.append(Piece(f"= {twin} asks the same: it counts twice.\n", "warn"))
    missing = [name for name in examples.variables if name not in example.vars]
    if missing:
        pieces.append(Piece(f"without {', '.join(missing)}, which other examples have\n", "warn"))
    for name, value in example.vars.items():
        pieces += [Piece(f"\n{name}\n", "head"), Piece(f"{as_text(value)}\n")]
    rest = ("expected", "reference", "context", "previous", "feedback")
    for name, value in zip(rest, (getattr(example, name) for name in rest), strict=True):
        if value is not None:
            pieces += [Piece(f"\n{name}\n", "accent"), Piece(f"{as_text(value)}\n")]
    return pieces


class SettingRows:
    """What the eval set says besides its examples; what it leaves to the default is dim."""

    def __init__(self, settings: Sequence[Setting]) -> None:
        self._settings = settings

    def __len__(self) -> int:
        return len(self._settings)

    def key(self, row: int) -> str:
        """Its place in the file."""
        return ".".join(map(str, self._settings[row].path))

    def cell(self, row: int, column: str) -> Cell:
        """Name, value, meaning."""
        setting = self._settings[row]
        match column:
            case "label":
                return Cell(setting.label, "" if setting.given else "dim")
            case "text":
                return Cell(setting.text or "–", "strong" if setting.given else "dim")
            case _:
                return Cell(setting.note, "dim")


def import_pieces(found: Import) -> list[Piece]:
    """What would be added, and what of it is worth a second look."""
    pieces = [Piece(f"{plural(len(found.new), 'example')}", "strong"), Piece(f" of {found.source} would be added.\n")]
    if found.known:
        pieces.append(Piece(f"{plural(found.known, 'line')} left out: there already, word for word.\n"))
    if found.twins:
        some = ", ".join(sorted(found.twins)[:5])
        pieces.append(Piece(f"{len(found.twins)} ask the same as another example ({some}).\n", "warn"))
    if found.renamed:
        some = ", ".join(f"{old} becomes {new}" for old, new in list(found.renamed.items())[:5])
        pieces.append(Piece(f"{plural(len(found.renamed), 'id')} taken already: {some}.\n", "warn"))
    if found.strange:
        pieces.append(Piece(f"Variables that no example has so far: {', '.join(found.strange)}.\n", "warn"))
    fields = f"; fields: {', '.join(found.fields)}" if found.fields else ""
    pieces.append(Piece(f"Variables: {', '.join(found.variables) or 'none'}{fields}.\n", "dim"))
    for example in found.new[:_SAMPLE]:
        pieces.append(Piece(f"\n{example.id}", "accent"))
        pieces.append(Piece(f"  {', '.join(example.tags)}\n", "dim"))
        pieces += [Piece(f"{name}: {_short(as_text(value))}\n") for name, value in example.vars.items()]
        if example.expected is not None:
            pieces.append(Piece(f"expected: {_short(as_text(example.expected))}\n", "dim"))
    if len(found.new) > _SAMPLE:
        pieces.append(Piece(f"\n… and {len(found.new) - _SAMPLE} more", "dim"))
    return pieces
