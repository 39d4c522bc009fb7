"""The three lines around every screen: where you are, what happened and what runs, what you can press."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from rich.cells import cell_len
from textual.binding import ActiveBinding
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.style import Style
from textual.widget import Widget
from textual.widgets import Input, TextArea

from promptlab.tui.actions import BY_ID, Action
from promptlab.tui.safe import one_line
from promptlab.tui.typed import app_of, on_bindings_changed
from promptlab.tui.widgets.cells import cut, fit
from promptlab.tui.widgets.wrapping import Piece, logical_lines, wrap

_NARROW = 100
_MOST = 5
"""Lines that a sentence of the status line may take."""
_LINES_PER_LINE = 6
"""Lines of the terminal for each line of a long sentence."""
_NAME = 12
"""Columns of the header that are the program's name."""
_PLACE = 28
"""Columns of the header that are the program's name and the branch, before the tabs' names are cut."""


class Line(Widget):
    """One line of text across the screen."""

    DEFAULT_CSS = """
    Line { height: 1; width: 1fr; background: $panel; color: $foreground; link-style: none; }
    """


class Tab(NamedTuple):
    """A screen as the header names it."""

    mode: str
    key: str
    label: str


class HeaderLine(Line):
    """Program, workspace, branch with its number of dirty files; the screens' tabs."""

    place: reactive[tuple[str, str]] = reactive(("", ""))
    current = reactive("")

    def __init__(self, tabs: Sequence[Tab]) -> None:
        super().__init__()
        self._tabs = tuple(tabs)

    def render(self) -> Content:
        """Draw the line for the width of the moment."""
        width = self.size.width
        workspace, branch = (one_line(part) for part in self.place)
        narrow = width < _NARROW
        short = sum(len(tab.key) + len(tab.label) + 4 for tab in self._tabs) > width - _PLACE
        letters = 3 if 6 * len(self._tabs) + 8 <= width - _NAME else 0
        tabs = Content("")
        for tab in self._tabs:
            here = tab.mode == self.current
            text = f" {tab.key} {tab.label} " if here or not short else f" {tab.key}{tab.label[:letters]}"
            style = Style(bold=here, reverse=here) + Style.from_meta({"@click": f"app.go('{tab.mode}')"})
            tabs = tabs.append(Content.styled(text, style)).append(" ")
        room = max(width - tabs.cell_length - _NAME, 0)
        where = f"{workspace}  {branch}".rstrip() if not narrow else branch or workspace
        where = where if cell_len(where) <= room else cut(where, max(room - 1, 0)) + "…"
        left = Content.assemble((" promptlab ", Style(bold=True)), " ", where)
        gap = max(width - left.cell_length - tabs.cell_length, 1)
        return left.append(" " * gap).append(tabs)


class StatusLine(Line):
    """What happened last on the left, what is running on the right. A long sentence gets the lines that it needs."""

    DEFAULT_CSS = """
    StatusLine { height: auto; background: $surface; color: $text-muted; }
    StatusLine.-bad { color: $text-error; }
    """

    said = reactive("")
    running = reactive("")

    def watch_said(self) -> None:
        """Take as many lines as the sentence needs."""
        self._fit_height()

    def watch_running(self) -> None:
        """The sentence has more room, or less."""
        self._fit_height()

    def _fit_height(self) -> None:
        if self.size.width and len(self._lines(self.size.width)) != self.size.height:
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Lines that it needs at this width."""
        return len(self._lines(width))

    def render(self) -> Content:
        """Draw it; what runs is shown in full, below a sentence that does not fit beside it."""
        return Content("\n".join(self._lines(self.size.width)))

    def _lines(self, width: int) -> list[str]:
        said, running = one_line(self.said), cut(one_line(self.running), width)
        room = max(width - cell_len(running) - 3, 0)
        if cell_len(said) <= room:
            return [f" {fit(said, room)} {running} "]
        room = max(width - 2, 2)
        wrapped = wrap(logical_lines([Piece(said)]), room)
        # The blank at which a row ends may stand past the edge: it is no text that would have to be cut.
        # No more than the panes can do without.
        most = max(2, min(_MOST, self.screen.size.height // _LINES_PER_LINE))
        rows = ["".join(part.text for part in row).rstrip() for _, row in islice(wrapped, most + 1)]
        if len(rows) > most:
            rows[most - 1 :] = [cut(rows[most - 1], room - 1) + "…"]
        lines = [f" {fit(row, room)} " for row in rows]
        return [*lines, f"{' ' * (width - cell_len(running) - 1)}{running}"] if running else lines


class FooterLine(Line):
    """The keys that work here and now, the least important dropped first; help and palette never are."""

    DEFAULT_CSS = """
    FooterLine { color: $text-muted; }
    """
    without: Collection[str] = ()
    """Groups and ids of actions that are not offered, as there is no git or no run for them. Their keys say why."""

    def __init__(self, way_back: Callable[[], str]) -> None:
        """Draw keys.

        Args:
            way_back: Gives the label of the key that goes back: from the outermost level it quits.
        """
        super().__init__()
        self._way_back = way_back

    def on_mount(self) -> None:
        """Draw again whenever the focus, and with it the keys that work, changes."""
        on_bindings_changed(self, self.refresh)

    def render(self) -> Content:
        """Draw the line for the width and the focus of the moment."""
        width = self.size.width
        typing = isinstance(self.screen.focused, Input | TextArea)
        live = live_actions(self.screen.active_bindings)
        right = self._fixed(live, "app.help_anywhere" if typing else "app.help", "help", "app.help").append("  ")
        right = right.append(self._fixed(live, "app.palette", "cmds", "app.command_palette")).append(" ")
        room = width - right.cell_length - 2
        chosen: list[tuple[int, int, Content]] = []
        used = 0
        app = app_of(self)
        # The toolkit knows of most keys that they are text for a field that has the focus, but not of the slash.
        order = [one for one in live if not typing or one.priority or len(app.get_key_display(live[one].binding)) > 1]
        for action in sorted(
            (a for a in order if a.label and a.group not in self.without and a.id not in self.without),
            key=lambda a: a.rank,
        ):
            active = live[action]
            label = self._way_back() if action.id == "app.back" else action.label
            pressed = f"app.simulate_key('{active.binding.key}')"
            key = self._key(app.get_key_display(active.binding), label, pressed)
            if used + key.cell_length + 2 <= room:
                used += key.cell_length + 2
                chosen.append((action.rank, order.index(action), key))
        left = Content(" ")
        for _, _, key in sorted(chosen, key=lambda item: item[:2]):
            left = left.append(key).append("  ")
        return left.append(" " * max(width - left.cell_length - right.cell_length, 0)).append(right)

    def _fixed(self, live: Mapping[Action, ActiveBinding], id: str, label: str, click: str) -> Content:
        active = live.get(BY_ID[id])
        return self._key(app_of(self).get_key_display(active.binding) if active else "", label, click)

    def _key(self, key: str, label: str, click: str) -> Content:
        meta = Style.from_meta({"@click": click}) if click else Style()
        return Content.assemble((key, self.visual_style.without_color + Style(bold=True) + meta), (f" {label}", meta))


def live_actions(active: dict[str, ActiveBinding]) -> dict[Action, ActiveBinding]:
    """The actions that work now, in the order of the focus chain, each with its first key's binding."""
    live: dict[Action, ActiveBinding] = {}
    for key, binding in active.items():
        action = BY_ID.get(binding.binding.id or "")
        if action is None or not binding.enabled:
            continue
        if action not in live or key == action.keys.split(",")[0]:
            live[action] = binding
    return live
