"""What the Models screen shows: its table, the facts of one model, the points of its plot."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from promptlab.lab import wording
from promptlab.lab.model_facts import NOT_KNOWN, facts, megabytes, rate
from promptlab.tui.widgets.plot import Point, Scale
from promptlab.tui.widgets.virtual_table import Cell, Column
from promptlab.tui.widgets.wrapping import Piece

if TYPE_CHECKING:
    from promptlab.lab.models_table import Axis, Measured, ModelRow, ModelTable
    from promptlab.models.speed import Speed
    from promptlab.models.values import ModelDetails

COLUMNS = (
    Column("mark", "", 1),
    Column("number", "", 3, "right"),
    Column("name", "model", 10, grow=True),
    Column("quality", "quality", 20),
    Column("answers", "n", 4, "right"),
    Column("p50", "p50", 7, "right", drop=1),
    Column("p95", "p95", 7, "right", drop=4),
    Column("rate", "tok/s", 6, "right", drop=3),
    Column("cost", "per 1,000", 10, "right", drop=2),
    Column("where", "data goes to", 14, drop=5, grow=True),
    Column("context", "context", 7, "right", drop=7),
    Column("size", "size", 13, drop=6),
    Column("license", "licence", 10, drop=8),
    Column("digest", "digest", 10, drop=9),
)
NO_MODELS = "No model is declared. Add [models.NAME] with gguf = … or model = … to promptlab.toml."
FRONT = "◆"
_KEYS = {"gguf": "b times it, r runs the prompt on it.", "endpoint": "r runs the prompt on it."}


class ModelRows:
    """The rows of the table."""

    def __init__(self, table: ModelTable, axis: Axis, marked: Collection[str]) -> None:
        self._table = table
        self._marked = marked
        self._front = table.front(axis)

    def __len__(self) -> int:
        return len(self._table.rows)

    def key(self, row: int) -> str:
        """The model's name."""
        return self._table.rows[row].info.name

    def cell(self, row: int, column: str) -> Cell:
        """What stands in one place of the table."""
        model = self._table.rows[row]
        match column:
            case "mark":
                return Cell("✓" if model.info.name in self._marked else "", "mark")
            case "number":
                front = model.info.name in self._front
                return Cell(f"{FRONT if front else ''}{row + 1}", "good" if front else "dim")
            case "name":
                return Cell(model.info.name, "bad" if model.info.problem else "strong")
            case "where":
                return Cell(_where(model), "" if model.trusted else "warn")
            case "context":
                return Cell(str(model.context or NOT_KNOWN))
            case "size":
                return Cell(_size(model))
            case "license":
                return Cell(model.license or NOT_KNOWN, "dim")
            case "digest":
                return Cell(model.info.identity.removeprefix("gguf:") if model.info.kind == "gguf" else "", "dim")
            case _:
                return _measured(self._table, model, column)


def _measured(table: ModelTable, model: ModelRow, column: str) -> Cell:
    """What a run says of a model, or what to do about it."""
    one = model.measured
    if column == "quality":
        return _quality(table, model)
    if one is None:
        return Cell("")
    match column:
        case "answers":
            return Cell(str(one.mean.n if one.mean else 0), "warn" if one.failed or _less(table, one) else "")
        case "p50":
            return Cell(_seconds(one.latency_p50))
        case "p95":
            return Cell(_seconds(one.latency_p95))
        case "rate":
            return Cell(rate(one.tokens_per_second))
        case _:
            return Cell(_money(one.cost, model))


def _quality(table: ModelTable, model: ModelRow) -> Cell:
    if model.measured is not None and table.info is not None:
        return Cell(wording.mean(model.measured.mean, table.info))
    if model.info.problem:
        return Cell(f"! {_problem(model)}", "bad")
    return Cell("" if table.problem else "no run yet: press r", "dim")


def _less(table: ModelTable, one: Measured) -> bool:
    return one.mean is None or one.mean.n < table.examples


def _seconds(value: float | None) -> str:
    return NOT_KNOWN if value is None else wording.seconds(value)


def _money(cost: float | None, model: ModelRow) -> str:
    """What 1,000 answers cost."""
    if cost is None:
        return NOT_KNOWN
    return f"{cost:.3g} {model.currency}".rstrip()


def _where(model: ModelRow) -> str:
    goes = model.info.data_goes or NOT_KNOWN
    return goes if model.trusted else f"! {goes}, not trusted"


def _size(model: ModelRow) -> str:
    return f"{model.quantisation} {megabytes(model.info.size)}" if model.info.size else ""


def _problem(model: ModelRow) -> str:
    return model.info.problem.removeprefix(f"{model.info.name}: ")


# -- the plot ----------------------------------------------------------------------------------------------


def points(table: ModelTable, axis: Axis) -> list[Point]:
    """The models that can be drawn."""
    front = table.front(axis)
    found: list[Point] = []
    for number, row in enumerate(table.rows, start=1):
        mean, value = row.measured.mean if row.measured else None, row.value(axis)
        if mean is not None and value is not None:
            found.append(Point(value, mean.mean, mean.low, mean.high, str(number), row.info.name in front))
    return found


def scales(table: ModelTable, axis: Axis) -> tuple[Scale, Scale]:
    """How the ends of the two axes are written."""

    def quality(value: float) -> str:
        return wording.number(value, table.info) if table.info else f"{value:.3g}"

    def money(cost: float) -> str:
        return f"{cost:.3g} {' '.join(table.currencies)}".rstrip()

    across = Scale("p50 latency", wording.seconds) if axis == "latency" else Scale("cost of 1,000 answers", money)
    return across, Scale(table.metric, quality)


def no_points(table: ModelTable, axis: Axis) -> str:
    """Why there is nothing to draw, and what to do."""
    if not table.rows:
        return NO_MODELS
    if table.problem:
        return table.problem
    if axis == "cost" and len(table.currencies) > 1:
        return f"Costs in {' and '.join(table.currencies)} cannot be weighed against each other. a shows latency."
    if any(row.measured for row in table.rows):
        missing = "price" if axis == "cost" else "latency"
        return f"No model has both a quality and a known {missing}. a changes the axis."
    return f"No run of {table.prompt} as it is now over {table.evalset} yet: r runs it on all models."


# -- one model ---------------------------------------------------------------------------------------------


def detail_pieces(table: ModelTable, row: ModelRow, details: ModelDetails) -> list[Piece]:
    """All that is known of one model."""
    pieces: list[Piece] = []
    if row.info.problem:
        pieces.append(Piece(f"! {_problem(row)}\n\n", "bad"))
    if not row.trusted:
        pieces.append(Piece("It would get a key and is not trusted yet: you are asked when it is run.\n\n", "warn"))
    pieces += _run_pieces(table, row)
    pieces += _speed_pieces(row.info.speed, row.info.kind)
    known = [(label, text) for label, text in facts(details) if text and label not in ("speed", "state")]
    width = max(len(label) for label, _ in known) + 2
    for label, text in known:
        pieces += [Piece(f"{label:{width}}", "dim"), Piece(text.replace("\n", "\n" + " " * width) + "\n")]
    return pieces


def _run_pieces(table: ModelTable, row: ModelRow) -> list[Piece]:
    one = row.measured
    if one is None:
        if row.info.problem or table.problem:
            return []
        return [Piece(f"No run of {table.prompt} over {table.evalset} yet. {_KEYS[row.info.kind]}\n\n", "dim")]
    parts = [f"{one.answers} answers"]
    if one.failed:
        parts.append(f"{one.failed} failed")
    if one.mean is not None and one.mean.n < table.examples:
        parts.append(f"only {one.mean.n} of {table.examples} examples have a value")
    mean = wording.mean(one.mean, table.info) if table.info else NOT_KNOWN
    return [
        Piece(f"{table.metric} {mean}\n", "head"),
        Piece(f"{', '.join(parts)}: run {one.run[-6:]}, column {one.column}. Enter opens it.\n\n"),
    ]


def _speed_pieces(speed: Speed | None, kind: str) -> list[Piece]:
    """The table that timing a file gives."""
    if speed is None or speed.load is None:
        return [Piece("Not timed on this machine yet: press b.\n\n", "dim")] if kind == "gguf" else []
    parts = (
        f"load {wording.seconds(speed.load)}",
        f"memory {megabytes(speed.memory)}",
        wording.plural(speed.threads, "thread"),
        f"prompt {rate(speed.prompt)} tok/s",
    )
    pieces = [Piece("Timed on this machine\n", "head"), Piece(" · ".join(parts) + "\n")]
    if speed.answers:
        best = max(speed.answers.values())
        for batch, value in sorted(speed.answers.items()):
            bar = "█" * max(round(16 * value / best), 1)
            pieces += [Piece(f"{batch:>3} at once {bar:<16} ", "accent"), Piece(f"{rate(value)} tok/s\n")]
    return [*pieces, Piece("\n")]
