"""The ground that the table and the text view share: a scroll view that draws its own lines, and its tones."""

from __future__ import annotations

from typing import ClassVar, Literal

from rich.style import Style
from textual.color import Color
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.widget import Widget

from promptlab.tui.typed import app_of

Tone = Literal["", "dim", "strong", "head", "accent", "good", "bad", "warn", "added", "removed", "mark"]
"""What a stretch of text means. Each tone differs by more than its colour wherever that carries the meaning."""

_TONES: dict[Tone, tuple[str, Style]] = {
    "dim": ("", Style(dim=True)),
    "strong": ("", Style(bold=True)),
    "head": ("text-primary", Style(bold=True)),
    "accent": ("text-accent", Style()),
    "good": ("text-success", Style()),
    "bad": ("text-error", Style()),
    "warn": ("text-warning", Style()),
    "added": ("text-success", Style(underline=True)),
    "removed": ("text-error", Style(strike=True)),
    "mark": ("text-warning", Style(bold=True)),
}
"""The theme's colour of each tone, and what else it looks like. Not component classes: Textual works out the style of
each of them anew, for each widget, whenever the focus moves."""


class Lines(ScrollView, can_focus=True, inherit_bindings=False):
    """A focusable scroll view with tones; whoever inherits it overrides ``render_line``.

    Its scroll bar is always there, and cannot be seen where there is nothing to scroll: one that comes and goes lays
    out the whole screen each time.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"lines--cursor", "lines--cursor-blurred"}
    DEFAULT_CSS = """
    Lines {
        background: $surface; color: $foreground; overflow-x: hidden; overflow-y: scroll;
        scrollbar-size-vertical: 1; scrollbar-gutter: stable; scrollbar-background: $surface;
        scrollbar-background-hover: $surface; scrollbar-background-active: $surface;
    }
    Lines > .lines--cursor { background: $primary 40%; text-style: bold; }
    Lines > .lines--cursor-blurred { background: $primary 15%; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._styles_known: dict[str, Style] = {}

    def notify_style_update(self) -> None:
        """Forget the styles: the theme or a class has changed."""
        self._styles_known.clear()
        super().notify_style_update()

    @property
    def ground(self) -> Style:
        """The widget's own colours, on which everything is drawn. Looked up once: it is asked for on every line."""
        style = self._styles_known.get("")
        if style is None:
            style = self._styles_known[""] = self.rich_style
        return style

    def tone_style(self, tone: Tone) -> Style:
        """The style of a tone in the theme of the moment."""
        if not tone:
            return Style.null()
        style = self._styles_known.get(tone)
        if style is None:
            variable, style = _TONES[tone]
            if variable:
                style += Style(color=Color.parse(app_of(self).theme_variables[variable]).rich_color)
            self._styles_known[tone] = style
        return style

    @property
    def cursor_style(self) -> Style:
        """What lies over the ground where the cursor is."""
        name = "lines--cursor" if self.has_focus else "lines--cursor-blurred"
        style = self._styles_known.get(name)
        if style is None:
            style = self.get_component_rich_style(name)
            style = self._styles_known[name] = Style(bgcolor=style.bgcolor, bold=style.bold)
        return style

    @property
    def room(self) -> Size:
        """Columns and lines that can be drawn on, beside the scroll bar."""
        return self.scrollable_content_region.size

    def set_height(self, lines: int) -> None:
        """Say how many lines there are.

        To assign ``virtual_size`` lays out the whole screen again, a third of a frame's time. But where this widget
        stands does not depend on how much it has to show, with a place kept for the scroll bar.
        """
        size = Size(0, lines)
        if size != self.virtual_size:
            self.set_reactive(Widget.virtual_size, size)  # pyright: ignore[reportArgumentType]  # declared as its value
            self._scroll_update(size)

    def jump(self, y: int) -> None:
        """Scroll so that line ``y`` is the top one, at once, even if no scroll bar has been laid out yet."""
        self.scroll_to(y=max(y, 0), animate=False, force=True)
