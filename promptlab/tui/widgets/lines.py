"""The ground that the table and the text view share: a scroll view that draws its own lines, and its tones."""

from __future__ import annotations

from typing import ClassVar, Literal

from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView

Tone = Literal["", "dim", "strong", "head", "accent", "good", "bad", "warn", "added", "removed", "mark"]
"""What a stretch of text means. Each tone differs by more than its colour wherever that carries the meaning."""

_TONES: tuple[Tone, ...] = ("dim", "strong", "head", "accent", "good", "bad", "warn", "added", "removed", "mark")


class Lines(ScrollView, can_focus=True, inherit_bindings=False):
    """A focusable scroll view with tones; whoever inherits it overrides ``render_line``."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"tone--{tone}" for tone in _TONES),
        "lines--cursor",
        "lines--cursor-blurred",
        "lines--choice",
    }
    DEFAULT_CSS = """
    Lines {
        background: $surface; color: $foreground; overflow-x: hidden;
        scrollbar-size-vertical: 1; scrollbar-gutter: stable; scrollbar-background: $surface;
        scrollbar-background-hover: $surface; scrollbar-background-active: $surface;
    }
    Lines > .tone--dim { text-style: dim; }
    Lines > .tone--strong { text-style: bold; }
    Lines > .tone--head { color: $text-primary; text-style: bold; }
    Lines > .tone--accent { color: $text-accent; }
    Lines > .tone--good { color: $text-success; }
    Lines > .tone--bad { color: $text-error; }
    Lines > .tone--warn { color: $text-warning; }
    Lines > .tone--added { color: $text-success; text-style: underline; }
    Lines > .tone--removed { color: $text-error; text-style: strike; }
    Lines > .tone--mark { color: $text-warning; text-style: bold; }
    Lines > .lines--cursor { background: $primary 40%; text-style: bold; }
    Lines > .lines--cursor-blurred { background: $primary 15%; }
    Lines > .lines--choice { text-style: reverse; }
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
        return self.part_style(f"tone--{tone}") if tone else Style.null()

    def part_style(self, name: str) -> Style:
        """The style of one of the component classes, without the widget's own background."""
        style = self._styles_known.get(name)
        if style is None:
            partial = name not in ("lines--cursor", "lines--cursor-blurred")
            style = self.get_component_rich_style(name, partial=partial)
            if not partial:
                style = Style(bgcolor=style.bgcolor, bold=style.bold)
            self._styles_known[name] = style
        return style

    @property
    def room(self) -> Size:
        """Columns and lines that can be drawn on, beside the scroll bar."""
        return self.scrollable_content_region.size

    def jump(self, y: int) -> None:
        """Scroll so that line ``y`` is the top one, at once, even if no scroll bar has been laid out yet."""
        self.scroll_to(y=max(y, 0), animate=False, force=True)
