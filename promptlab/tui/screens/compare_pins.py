"""The examples that are pinned on Compare: which they are, pinning another one, keeping them for the next time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.lab.pinning import pin, pinned
from promptlab.tui.background import in_thread

if TYPE_CHECKING:
    from promptlab.lab import Lab
    from promptlab.tui.screens.compare import CompareScreen


class Pins:
    """What the Compare screen does about pinned examples.

    Attributes:
        ids: The pinned examples of this eval set, in the order in which they were pinned.
    """

    def __init__(self, screen: CompareScreen) -> None:
        self.ids: tuple[str, ...] = ()
        self._screen = screen

    async def read(self, lab: Lab, evalset: str) -> None:
        """Take in what was pinned of an eval set."""
        self.ids = await in_thread(partial(pinned, lab, evalset))

    @property
    def chosen(self) -> tuple[str, ...]:
        """The example that is shown, and the pinned ones that the run has."""
        shown, sheet = self._screen.example, self._screen.sheet
        there = [one for one in self.ids if sheet is not None and one in sheet.examples]
        return tuple(dict.fromkeys([shown, *there])) if shown else ()

    def turn(self) -> None:
        """Pin the example that is shown, or take the pin away."""
        screen = self._screen
        if screen.sheet is not None:
            rest = tuple(one for one in self.ids if one != screen.example)
            self.ids = rest if len(rest) < len(self.ids) else (*rest, screen.example)
            screen.painting.case()
            screen.run_worker(partial(self._keep, screen.sheet.top.evalset, self.ids), group="pins")

    async def _keep(self, evalset: str, ids: tuple[str, ...]) -> None:
        session = self._screen.session
        lab = await session.lab()
        try:
            await in_thread(partial(pin, lab, evalset, ids))
        except PromptlabError as fault:
            session.say(f"{fault} The pins are kept until the program ends.", bad=True)
