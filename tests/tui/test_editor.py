from __future__ import annotations

import pytest
from rich.text import Text

from promptlab.tui.widgets.editor import Editor

FILE = """# why
description = "say # [hi]"
[params]
temperature = 0.2 # warm
enforce = true
[[messages]]
content = \"\"\"
Label = {{ ticket }}
\"\"\"
role = 'user'
"""


def parts(editor: Editor, line: Text) -> dict[str, str]:
    """What is coloured as what in a line."""
    styles = {
        name: editor.get_component_rich_style(f"editor--{name}", partial=True)
        for name in ("header", "key", "string", "literal", "comment", "template")
    }
    return {
        name: line.plain[s.start : s.end] for s in line.spans for name, style in styles.items() if style == s.style
    }


async def test_each_part_of_a_file_has_its_colour(host) -> None:
    editor = Editor()
    async with host(editor).run_test(size=(60, 20)):
        assert editor.open(FILE)
        lines = [parts(editor, editor.get_line(index)) for index in range(editor.document.line_count)]
    assert lines[0] == {"comment": "# why"}
    assert lines[1] == {"key": "description", "string": '"say # [hi]"'}
    assert lines[2] == {"header": "[params]"}
    assert lines[3] == {"comment": "# warm", "literal": "0.2", "key": "temperature"}
    assert lines[4] == {"literal": "true", "key": "enforce"}
    assert lines[5] == {"header": "[[messages]]"}
    assert lines[6] == {"string": '"""', "key": "content"}
    assert lines[7] == {"string": "Label = {{ ticket }}", "template": "{{ ticket }}"}
    assert lines[8] == {"string": '"""'}
    assert lines[9] == {"string": "'user'", "key": "role"}


async def test_control_characters_are_shown_in_place(host, read) -> None:
    editor = Editor()
    app = host(editor)
    async with app.run_test(size=(40, 5)) as pilot:
        assert editor.open("a\x1b[31mb\tc\u202e")
        await pilot.pause()
        assert "a␛[31mb" in read(app)[0]
        assert "⇄" in read(app)[0]
        assert editor.text == "a\x1b[31mb\tc\u202e"


@pytest.mark.parametrize("text", ["a\nb\r\nc", "a\u2028b", "a\x0bb"])
async def test_a_text_that_saving_would_change_can_only_be_read(host, text: str) -> None:
    editor = Editor()
    async with host(editor).run_test(size=(40, 5)) as pilot:
        assert not editor.open(text)
        editor.focus()
        await pilot.press("x")
        assert editor.document.get_line(0) == "a"
        assert editor.open("a\r\nb\r\n")
        assert editor.text == "a\r\nb\r\n"


async def test_a_swap_can_be_undone(host) -> None:
    editor = Editor()
    async with host(editor).run_test(size=(40, 5)) as pilot:
        editor.open("mine\n")
        editor.focus()
        editor.swap("theirs\n")
        assert editor.text == "theirs\n"
        await pilot.press("ctrl+z")
        assert editor.text == "mine\n"


async def test_the_keys_ask_the_screen(host) -> None:
    asked: list[str] = []

    class Watched(Editor):
        def on_editor_asked(self, event: Editor.Asked) -> None:
            asked.append(event.what)

    editor = Watched()
    async with host(editor).run_test(size=(40, 5)) as pilot:
        editor.focus()
        await pilot.press("ctrl+s", "ctrl+r", "ctrl+g", "f4", "escape", "j")
        assert asked == ["save", "run", "external", "external", "close"]
        assert editor.text == "j"
