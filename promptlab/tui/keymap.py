"""Keys that a person has given to actions: which are keys at all, and which would hide another action."""

from __future__ import annotations

import re
from collections.abc import Mapping

from textual.keys import Keys, key_to_character
from textual.theme import BUILTIN_THEMES

from promptlab.lab.preferences import Preferences, read_preferences
from promptlab.tui.actions import ACTIONS, BY_ID

_NAMES = frozenset(str(key.value).rpartition("+")[2] for key in Keys if not str(key.value).startswith("<"))
_HELD = ("ctrl", "shift", "alt", "super", "meta", "hyper")
_SAME = {
    "ctrl+h": "backspace",
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+enter": "nothing at all",
    "alt+enter": "enter",
    "shift+enter": "enter",
}
"""Keys that most terminals send as another one."""


def own_keys() -> Preferences:
    """What the person's own file says.

    Raises:
        InvalidFile: With everything that is wrong in it.
    """
    return read_preferences(tuple(BUILTIN_THEMES), tuple(BY_ID), problems)


def problems(keys: Mapping[str, str]) -> dict[str, str]:
    """Action id to what is wrong with the keys that it is given, as a sentence."""
    found: dict[str, str] = {}
    for id, wanted in keys.items():
        bad = [sentence for key in wanted.split(",") if (sentence := _problem(key))]
        if bad:
            found[id] = bad[0]
    for actions in ACTIONS.values():
        users: dict[str, str] = {}
        for action in actions:
            for key in keys.get(action.id, action.keys).split(","):
                other = users.setdefault(_plain(key), action.id)
                mine = next((id for id in (action.id, other) if id in keys), None)
                if other != action.id and mine is not None:
                    rest = other if mine == action.id else action.id
                    found.setdefault(mine, f"`{key}` is the key of `{rest}` too: give that one another.")
    return found


def _problem(key: str) -> str:
    *held, name = re.split(r"\+(?=.)", key)
    if key in _SAME:
        return f"`{key}` cannot be told apart: terminals send {_SAME[key]}."
    if any(word not in _HELD for word in held):
        return f"`{key}` is no key: hold one of ctrl, shift, alt."
    if len(name) == 1 or name in _NAMES or _is_character(name):
        return ""
    return f"`{key}` is no key. Such as: f9, ctrl+e, e, E, slash, question_mark, pagedown."


def _is_character(name: str) -> bool:
    """Whether it is a sign by its name: ``question_mark``, ``left_square_bracket``."""
    return key_to_character(name) is not None


def _plain(key: str) -> str:
    return key_to_character(key) or key
