from __future__ import annotations

from promptlab.tui.widgets.ticks import Option, TickList


async def test_space_ticks_and_the_ends_lead_to_the_next_list(host, read) -> None:
    first = TickList([Option("a", "Anna [x]", ticked=True), Option("b", "Ben")], id="first")
    second = TickList([Option("c", "Cy")], id="second")
    first.styles.height = second.styles.height = 2
    app = host(first, second)
    async with app.run_test(size=(30, 8)) as pilot:
        first.focus()
        await pilot.pause()
        assert read(app)[:2] == ["[x] Anna [x]", "[ ] Ben"]
        await pilot.press("down", "space", "up", "x")
        assert first.ticked == ("b",)
        await pilot.press("j", "j")
        assert second.has_focus
        await pilot.press("space", "k")
        assert second.ticked == ("c",)
        assert first.has_focus
        await pilot.click(first, offset=(2, 1))
        assert first.ticked == ()


async def test_an_empty_list_has_nothing_to_tick(host) -> None:
    empty = TickList([], id="none")
    async with host(empty).run_test(size=(30, 8)) as pilot:
        empty.focus()
        await pilot.press("space")
        assert empty.ticked == ()


async def test_a_short_list_begins_at_its_first_tick(host, read) -> None:
    names = TickList([Option(name, name, ticked=name in "gh") for name in "abcdefgh"], id="names")
    names.styles.height = 2
    app = host(names)
    async with app.run_test(size=(30, 8)) as pilot:
        await pilot.pause()
        assert any("[x] g" in line for line in read(app)[:2])
        names.focus()
        await pilot.press("space")
        assert names.ticked == ("h",)
