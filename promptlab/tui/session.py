"""What all screens share: the lab, the repository's state, the run that is going on, the last thing said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from promptlab.lab.limits import Limits
from promptlab.tui.keeping import Keeping

if TYPE_CHECKING:
    from promptlab.history.values import RepoState
    from promptlab.lab import Lab, RunTable
    from promptlab.lab.sittings import Sitting
    from promptlab.tui.job import Job


class Session:
    """One sitting at the terminal.

    Attributes:
        unsaved: Names of prompts whose text in the editor is not on disk.
        prompt: Name of the prompt that the screens are about, "" before one is chosen.
        table: The run that Results shows.
        example: Id of the example that the screens are about, "" before one is chosen.
        pair: Two subjects that Diff is asked to show next, the older one first.
        job: The run that is going on, or the one that ended last.
        trial: The trial whose answers can still be made examples: the last one.
        messages: Prompt name to the message of a commit that was typed and not used.
        sitting: What this sitting leaves for the next one, as soon as the lab is open.
        keeping: What is typed and not saved, on its way there.
        evalset: Name of the eval set that Evals shows, "" before one is chosen.
        limits: What the runs that are begun from now on may take.
        listed: Set when the prompts are on the screen: what a person does not wait for may be done now.
        visited: The screens that q goes back over, the last one first to go to.
        greeting: What is said as soon as the workspace is open.
        touched: When a key or the mouse was last used, by the monotonic clock.
    """

    def __init__(self, changed: Callable[[], None], start: Callable[[Job], None], saved: Callable[[], None]) -> None:
        """Begin, before the workspace is open.

        Args:
            changed: Called when a line around the screens has to be drawn again.
            start: Does a run. Whoever starts one makes sure that none is going on.
            saved: Called when something was put into git or taken out: versions and trends are others now.
        """
        self.start = start
        self.saved = saved
        self.state: RepoState | None = None
        self.history_problem = ""
        self.unsaved: set[str] = set()
        self.prompt = ""
        self.table: RunTable | None = None
        self.example = ""
        self.pair: tuple[str, str] | None = None
        self.job: Job | None = None
        self.trial: Job | None = None
        self.messages: dict[str, str] = {}
        self.sitting: Sitting | None = None
        self.keeping = Keeping(self._not_kept)
        self.evalset = ""
        self.limits = Limits()
        self.visited: list[str] = []
        self.greeting = ""
        self.touched = 0.0
        self.said = ""
        self.bad = False
        self._changed = changed
        self._lab: Lab | None = None
        self._opened = asyncio.Event()
        self.listed = asyncio.Event()

    async def lab(self) -> Lab:
        """The lab, as soon as it is open."""
        await self._opened.wait()
        assert self._lab is not None, "opened() sets both"
        return self._lab

    @property
    def lab_now(self) -> Lab | None:
        """The lab if it is open."""
        return self._lab

    def opened(self, lab: Lab, sitting: Sitting) -> None:
        """The workspace is open: whoever waits for the lab goes on."""
        self._lab, self.sitting = lab, sitting
        self.keeping.opened(sitting)
        self._opened.set()

    def say(self, text: str, *, bad: bool = False) -> None:
        """Tell the person what happened, on the line above the keys."""
        self.said, self.bad = text, bad
        self._changed()

    def unsay(self, text: str) -> None:
        """Take back what is no longer so, if it is what stands there."""
        if text and self.said == text:
            self.say("")

    def _not_kept(self, sentence: str) -> None:
        if not self.bad:  # not over what is wrong with saving it
            self.say(sentence, bad=True)

    @property
    def running(self) -> bool:
        """Whether a run is going on."""
        return self.job is not None and self.job.active

    @property
    def busy(self) -> bool:
        """Whether a run of this program is going on: one that another process does keeps nobody from starting one."""
        return self.running and self.job is not None and not self.job.elsewhere

    @property
    def place(self) -> tuple[str, str]:
        """Workspace and branch for the header: ``("support-bot", "main*2")``."""
        name = self._lab.name if self._lab else "…"
        if self.state is None:
            return name, "no git" if self.history_problem else ""
        branch = self.state.branch or (self.state.head or "")[:8]
        dirty = f"*{self.state.dirty}" if self.state.dirty else ""
        operation = f" ({self.state.operation})" if self.state.operation else ""
        return name, f"{branch}{dirty}{operation}"
