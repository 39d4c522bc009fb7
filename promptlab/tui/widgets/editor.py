"""The editor of a prompt's file: TOML with template variables, coloured by regular expressions.

No tree-sitter: it is native code that has crashed programs at start, and these files need five colours.
"""

from __future__ import annotations

import re
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import TextArea

from promptlab.tui.actions import bindings
from promptlab.tui.safe import same_length

_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}")
_HEADER = re.compile(r"^\s*\[\[?[^\]\n]*\]\]?")
_KEY = re.compile(r"""^\s*(?:[\w-]+|"[^"]*"|'[^']*')(?:\.(?:[\w-]+|"[^"]*"|'[^']*'))*(?=\s*=)""")
_LITERAL = re.compile(r"(?<![\w.-])(?:true|false|[+-]?\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.-])")
_STRING = re.compile(r""""(?:\\.|[^"\\])*"|'[^']*\'""")
_COMMENT = re.compile(r"#.*$")
_FENCE = re.compile(r'"""|\'\'\'')


class Editor(TextArea):
    """A text area for one prompt file."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("editor")]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "editor--header",
        "editor--key",
        "editor--string",
        "editor--literal",
        "editor--comment",
        "editor--template",
    }
    DEFAULT_CSS = """
    Editor {
        border: none; padding: 0; scrollbar-size-vertical: 1; scrollbar-background: $surface;
        scrollbar-background-hover: $surface; scrollbar-background-active: $surface;
    }
    Editor:focus { border: none; }
    Editor > .editor--header { color: $text-primary; text-style: bold; }
    Editor > .editor--key { color: $text-secondary; }
    Editor > .editor--string { color: $text-success; }
    Editor > .editor--literal { color: $text-warning; }
    Editor > .editor--comment { text-style: dim italic; }
    Editor > .editor--template { color: $text-accent; text-style: bold; }
    """

    class Asked(Message):
        """A key of the editor asked for something that is the screen's to do.

        Attributes:
            what: ``save``, ``run``, ``external`` or ``close``.
        """

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, show_line_numbers=True, soft_wrap=True, tab_behavior="focus")
        self.cursor_blink = False
        self._inside: list[str] | None = None

    # -- text ---------------------------------------------------------------------------------------------

    def open(self, text: str) -> bool:
        """Show a file's text; False when it can only be read here.

        A text area knows one kind of line end in a file, and would change a text with two kinds by saving it.
        """
        self.read_only = False
        self.load_text(text)
        self.read_only = self.text != text
        return not self.read_only

    def open_edited(self, text: str, saved: str) -> None:
        """Show a text that may differ from its file's; ctrl+z takes that one."""
        if text != saved and self.open(saved):
            self.swap(text)
        else:
            self.open(text)

    def swap(self, text: str) -> None:
        """Replace the whole text as one edit, so that ctrl+z brings the old one back."""
        cursor = self.cursor_location
        self.replace(text, (0, 0), self.document.end, maintain_selection_offset=False)
        self.move_cursor(cursor)

    def action_start(self) -> None:
        """To the start of the text."""
        self.move_cursor((0, 0))

    def action_end(self) -> None:
        """To the end of the text."""
        self.move_cursor(self.document.end)

    # -- colours ------------------------------------------------------------------------------------------

    def _build_highlight_map(self) -> None:
        # Called by the text area after every change of the document.
        super()._build_highlight_map()
        self._inside = None

    def get_line(self, line_index: int) -> Text:
        """The line with its colours, every control character shown as one symbol."""
        source = self.document.get_line(line_index)
        line = Text(same_length(source), end="", no_wrap=True)
        fence = self._fences()[line_index]
        if fence:
            close = source.find(fence)
            line.stylize(self._part("string"), 0, len(source) if close < 0 else close + len(fence))
        else:
            self._colour_code(line, source)
        for match in _TEMPLATE.finditer(source):
            line.stylize(self._part("template"), *match.span())
        return line

    def _colour_code(self, line: Text, source: str) -> None:
        opened = _FENCE.search(source)
        head = source[: opened.start()] if opened else source
        strings = [match.span() for match in _STRING.finditer(head)]
        comment = next(
            (
                m.start()
                for m in re.finditer("#", head)
                if not any(left < m.start() < right for left, right in strings)
            ),
            None,
        )
        if comment is not None:
            line.stylize(self._part("comment"), comment)
            head, strings = head[:comment], [span for span in strings if span[1] <= comment]
        elif opened:
            line.stylize(self._part("string"), opened.start())
        for span in strings:
            line.stylize(self._part("string"), *span)
        for match in _LITERAL.finditer(head):
            if not any(left <= match.start() < right for left, right in strings):
                line.stylize(self._part("literal"), *match.span())
        for pattern, part in ((_KEY, "key"), (_HEADER, "header")):
            if match := pattern.match(head):
                line.stylize(self._part(part), *match.span())

    def _part(self, name: str) -> Style:
        return self.get_component_rich_style(f"editor--{name}", partial=True)

    def _fences(self) -> list[str]:
        """For each line, the quotes of the multi-line string that it starts inside of, or ""."""
        if self._inside is None:
            inside: list[str] = []
            fence = ""
            for index in range(self.document.line_count):
                inside.append(fence)
                for match in _FENCE.finditer(self.document.get_line(index)):
                    if not fence:
                        fence = match.group()
                    elif match.group() == fence:
                        fence = ""
            self._inside = inside
        return self._inside

    # -- keys ---------------------------------------------------------------------------------------------

    def action_save(self) -> None:
        self.post_message(self.Asked("save"))

    def action_run(self) -> None:
        self.post_message(self.Asked("run"))

    def action_external(self) -> None:
        self.post_message(self.Asked("external"))

    def action_close(self) -> None:
        self.post_message(self.Asked("close"))
