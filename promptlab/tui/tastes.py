"""What a person has chosen for the program: keys and colours, read at the start, colours kept when they change."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.tui.background import in_thread

if TYPE_CHECKING:
    from promptlab.tui.app import PromptlabApp


class Tastes:
    """The person's own file, and the program that follows it."""

    def __init__(self, app: PromptlabApp) -> None:
        self._app = app
        self._theme = ""

    async def follow(self) -> str:
        """Take keys and colours. A file that says nonsense changes nothing: gives the sentence on it, or ""."""
        from promptlab.lab.preferences import Preferences
        from promptlab.tui.keymap import own_keys

        app, problem = self._app, ""
        try:
            own = await in_thread(own_keys)
        except PromptlabError as fault:
            own, problem = Preferences(), str(fault)
        app.set_keymap(own.keys)
        # Under NO_COLOR the ANSI themes draw black on black.
        if own.theme and not os.environ.get("TEXTUAL_THEME") and not (app.no_color and own.theme.startswith("ansi")):
            app.theme = own.theme
        self._theme = app.theme
        return problem

    def changed(self, theme: str) -> None:
        """Keep colours that were chosen in the program."""
        if self._theme and theme != self._theme:
            self._theme = theme
            self._app.run_worker(partial(self._keep, theme), group="theme")

    async def _keep(self, theme: str) -> None:
        from promptlab.lab.preferences import config_file, keep_theme

        try:
            await in_thread(partial(keep_theme, theme))
        except PromptlabError as fault:
            self._app.session.say(str(fault), bad=True)
        else:
            self._app.session.say(f"{theme} from now on: {config_file()} says so.")
