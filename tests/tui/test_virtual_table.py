from __future__ import annotations

from collections.abc import Sequence

import pytest

from promptlab.tui.widgets.columns import place
from promptlab.tui.widgets.virtual_table import Cell, ChoiceTable, Column, VirtualTable

HOSTILE = "[INST] \x1b[31mred [/] 漢字\nsecond"


class Fruits:
    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self.asked: set[int] = set()

    def __len__(self) -> int:
        return len(self.names)

    def key(self, row: int) -> str:
        return self.names[row]

    def cell(self, row: int, column: str) -> Cell:
        self.asked.add(row)
        return Cell(self.names[row]) if column == "name" else Cell(f"{column}{row}", "good")


COLUMNS = (
    Column("name", "name", 12, grow=True),
    Column("a", "A", 6, "right", choice=True),
    Column("b", "B", 6, "right", choice=True),
)


async def test_keys_move_the_cursor_and_only_visible_rows_are_asked_for(host, read) -> None:
    rows = Fruits([f"row {n}" for n in range(100_000)])
    table = ChoiceTable(COLUMNS)
    app = host(table)
    async with app.run_test(size=(40, 12)) as pilot:
        table.set_rows(rows)
        table.focus()
        await pilot.press("j", "down", "k")
        assert table.row == 1
        await pilot.press("G")
        assert table.row_key == "row 99999"
        assert "row 99999" in read(app)[-1]
        await pilot.press("pageup")
        assert table.row == 99_999 - table.page
        await pilot.press("ctrl+u")
        assert table.row == 99_999 - table.page - table.page // 2
        await pilot.press("g", "ctrl+d", "pagedown")
        assert table.row == table.page // 2 + table.page
        assert len(rows.asked) < 200
        assert read(app)[0].split() == ["name", "A", "B"]


async def test_the_column_cursor_walks_choice_columns_only(host) -> None:
    table = ChoiceTable(COLUMNS)
    app = host(table)
    async with app.run_test(size=(40, 12)) as pilot:
        table.set_rows(Fruits(["x"]))
        table.focus()
        assert table.choice == "a"
        await pilot.press("l", "l", "right")
        assert table.choice == "b"
        await pilot.press("h", "h")
        assert table.choice == "a"


async def test_the_cursor_stays_on_its_row_when_rows_are_sorted(host) -> None:
    table = VirtualTable(COLUMNS[:1])
    app = host(table)
    async with app.run_test(size=(40, 12)) as pilot:
        table.set_rows(Fruits(["pear", "apple", "fig"]))
        assert table.select("apple")
        table.set_rows(Fruits(["apple", "fig", "pear"]))
        assert table.row_key == "apple"
        table.set_rows(Fruits(["fig"]))
        assert table.row_key == "fig"
        assert not table.select("apple")
        await pilot.pause()


async def test_an_empty_table_says_what_to_do(host, read) -> None:
    table = VirtualTable(COLUMNS[:1])
    app = host(table)
    async with app.run_test(size=(40, 6)) as pilot:
        table.set_rows(Fruits([]), empty="press n to create one")
        table.focus()
        await pilot.press("j", "enter")
        assert (table.row, table.row_key) == (-1, "")
        assert read(app)[1] == " press n to create one"


async def test_hostile_text_is_one_harmless_line(host, read) -> None:
    table = VirtualTable((Column("name", "[/b]", 40),))
    app = host(table)
    async with app.run_test(size=(60, 5)) as pilot:
        table.set_rows(Fruits([HOSTILE]))
        await pilot.pause()
        assert read(app)[:2] == ["[/b]", "[INST] ␛[31mred [/] 漢字␊second"]


async def test_enter_and_a_click_on_the_chosen_row_open_it(host) -> None:
    opened: list[str] = []

    class Watched(ChoiceTable):
        def on_virtual_table_opened(self, event: VirtualTable.Opened) -> None:
            opened.append(event.control.row_key)

        def on_virtual_table_header_clicked(self, event: VirtualTable.HeaderClicked) -> None:
            opened.append(f"header {event.column} {event.control is self}")

    table = Watched(COLUMNS)
    app = host(table)
    async with app.run_test(size=(40, 12)) as pilot:
        table.set_rows(Fruits(["x", "y", "z"]))
        table.focus()
        await pilot.press("enter")
        await pilot.click(table, offset=(2, 2))
        assert table.row_key == "y"
        await pilot.click(table, offset=(2, 2))
        await pilot.click(table, offset=(30, 0))
        await pilot.click(table, offset=(38, 3))
        assert (table.row_key, table.choice) == ("z", "b")
        await pilot.click(table, offset=(2, 9))
        assert opened == ["x", "y", "header a True"]


async def test_the_sort_mark_stands_in_the_header(host, read) -> None:
    table = VirtualTable(COLUMNS)
    app = host(table)
    async with app.run_test(size=(40, 4)) as pilot:
        table.set_sort("a", descending=True)
        await pilot.pause()
        assert read(app)[0].split() == ["name", "A▾", "B"]


def names(width: int, choice: int = 0, first: int = 0) -> list[str]:
    columns = (
        Column("id", "", 10),
        Column("why", "", 10, grow=True, drop=2),
        Column("tag", "", 5, drop=1),
        *(Column(letter, "", 6, choice=True) for letter in "abcdef"),
    )
    placed, _ = place(columns, width, choice, first)
    return [column.key for column, _ in placed]


@pytest.mark.parametrize(
    ("width", "choice", "shown"),
    [
        (80, 0, ["id", "why", "tag", *"abcdef"]),
        (60, 0, ["id", "tag", *"abcdef"]),
        (53, 0, ["id", *"abcdef"]),
        (30, 0, ["id", "a", "b"]),
        (30, 3, ["id", "c", "d"]),
        (30, 5, ["id", "e", "f"]),
        (5, 2, ["id", "c"]),
    ],
)
def test_columns_are_dropped_by_rank_and_scrolled_to_the_chosen_one(
    width: int, choice: int, shown: list[str]
) -> None:
    assert names(width, choice) == shown


def test_growing_columns_share_the_rest() -> None:
    columns = (Column("a", "", 4, grow=True), Column("b", "", 4, grow=True), Column("c", "", 4))
    placed, _ = place(columns, 30, 0, 0)
    assert [width for _, width in placed] == [11, 12, 4]
