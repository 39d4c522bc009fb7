from __future__ import annotations

import pytest
from textual.widgets import Button

from promptlab.tui.widgets.dialog import Answer, Ask, Question, message
from promptlab.tui.widgets.wrapping import Piece

ANSWERS = [Answer("mine", "M", "Keep mine"), Answer("theirs", "T", "Take theirs")]


async def ask(host, screen, size, *keys: str, click: str = ""):
    app = host()
    got: list[str] = []
    async with app.run_test(size=size) as pilot:
        await app.push_screen(screen, got.append)
        await pilot.pause()
        if click:
            await pilot.click(click)
        await pilot.press(*keys)
        await pilot.pause()
    return got


@pytest.mark.parametrize(
    ("keys", "answer"),
    [(["enter"], ""), (["escape"], ""), (["M"], "mine"), (["m", "T"], "theirs"), (["right", "enter"], "mine")],
)
async def test_cancel_has_the_focus_and_capitals_answer(host, keys: list[str], answer: str) -> None:
    assert await ask(host, Question("Which?", [Piece("body")], ANSWERS), (80, 24), *keys) == [answer]


async def test_a_click_answers(host) -> None:
    assert await ask(host, Question("Which?", [Piece("b")], ANSWERS), (80, 24), click="#answer-theirs") == ["theirs"]


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 15)])
async def test_the_body_is_never_squeezed_out(host, read, size: tuple[int, int]) -> None:
    app = host()
    body = "\n".join(f"line {n} [/red] \x1b" for n in range(200))
    async with app.run_test(size=size) as pilot:
        await app.push_screen(Question("Title [x]", [Piece(body)], ANSWERS))
        await pilot.pause()
        shown = "\n".join(read(app))
        assert "line 2 [/red] ␛" in shown
        assert "Title [x]" in shown
        assert "M Keep mine" in shown
        assert app.screen.query_one("#cancel", Button).has_focus
        # The body scrolls while the safe answer keeps the focus.
        await pilot.press("pagedown", "j")
        assert "line 2 [/red] ␛" not in "\n".join(read(app))
        await pilot.press("G")
        assert "line 199" in "\n".join(read(app))
        assert app.screen.query_one("#cancel", Button).has_focus
        await pilot.press("g", "shift+tab", "G")
        assert "line 199" in "\n".join(read(app))


async def test_a_message_only_closes(host, read) -> None:
    app = host()
    async with app.run_test(size=(60, 15)) as pilot:
        await app.push_screen(message("Git failed", "one\ntwo"))
        await pilot.pause()
        assert "Close" in "\n".join(read(app))
        await pilot.press("enter")
        await pilot.pause()
        assert not isinstance(app.screen, Question)


async def test_a_line_with_a_problem_is_not_taken(host, read) -> None:
    app = host()
    got: list[str] = []

    def check(name: str) -> str:
        return "A name has no spaces." if " " in name else ""

    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(Ask("Name?", "Such as triage.", check), got.append)
        await pilot.pause()
        await pilot.press("enter")
        assert "Such as triage." in "\n".join(read(app))
        await pilot.press("a", "space", "b", "enter")
        assert "A name has no spaces." in "\n".join(read(app))
        assert not got
        await pilot.press("backspace", "backspace", "enter")
        await pilot.pause()
    assert got == ["a"]


async def test_asking_can_be_left(host) -> None:
    assert await ask(host, Ask("Name?", "", lambda _: ""), (80, 24), "x", "escape") == [""]
