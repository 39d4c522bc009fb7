"""The line of Results that counts how examples fared; each count is a filter."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.style import Style

from promptlab.tui.safe import one_line
from promptlab.tui.widgets.chrome import Line

FILTERS: tuple[tuple[str, str, str], ...] = (
    ("all", "a", "all"),
    ("better", "b", "▲ better"),
    ("worse", "w", "▼ worse"),
    ("same", "=", "= same"),
    ("error", "!", "! error"),
)


class FilterLine(Line):
    """How many examples got better, worse, stayed or failed; each is a filter."""

    DEFAULT_CSS = "FilterLine { background: $surface; }"

    counts: reactive[dict[str, int]] = reactive(dict[str, int])
    chosen: reactive[str] = reactive("all")
    sort: reactive[str] = reactive("")
    waiting: reactive[str] = reactive("to come")
    search: reactive[str] = reactive("")

    def render(self) -> Content:
        """Draw the filters, with words where they fit; the chosen one stands out."""
        line = self._line(words=True)
        return line if line.cell_length <= self.size.width else self._line(words=False)

    def _line(self, *, words: bool) -> Content:
        found = Style(bold=True) + Style.from_meta({"@click": "screen.search"})
        line = Content.styled(f" /{one_line(self.search)} ", found) if self.search else Content(" ")
        for name, key, label in FILTERS:
            style = Style(reverse=name == self.chosen) + Style.from_meta({"@click": f"screen.filter('{name}')"})
            count = sum(self.counts.values()) if name == "all" else self.counts.get(name, 0)
            shown = label if words or name == "all" else label[0]
            word = shown if label[0] == key != "a" else f"{key} {shown}"
            line = line.append(Content.styled(f" {word} {count} ", style))
        pending = self.counts.get("pending", 0)
        return line.append(f"  · {pending} {self.waiting}" if pending else "").append(
            Content.styled(f"   {self.sort}", "dim")
        )
