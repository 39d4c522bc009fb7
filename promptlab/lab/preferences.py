"""What a person has chosen for the screens, in a file of their own: ``config.toml`` in their config folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import cast

from msgspec import Struct

from promptlab.errors import StorageFault
from promptlab.workspace import edit
from promptlab.workspace import sheet as check
from promptlab.workspace.sheet import Sheet, toml_sheet
from promptlab.workspace.tables import Change, change_tables
from promptlab.workspace.toml import did_you_mean, shown


class Preferences(Struct, frozen=True):
    """What the file says.

    Attributes:
        theme: Name of the colours, "" for the usual ones.
        keys: Id of an action, such as ``prompts.run``, to its keys with commas between.
    """

    theme: str = ""
    keys: dict[str, str] = {}


def config_file() -> Path:
    """Where the file is, or would be: ``PROMPTLAB_CONFIG``, or ``promptlab/config.toml`` in the config folder."""
    if named := os.environ.get("PROMPTLAB_CONFIG"):
        return Path(named)
    from platformdirs import user_config_path

    return user_config_path("promptlab", appauthor=False) / "config.toml"


def read_preferences(
    themes: Collection[str], actions: Collection[str], problem: Callable[[Mapping[str, str]], Mapping[str, str]]
) -> Preferences:
    """What the person has chosen; nothing where there is no file.

    Args:
        themes: Names of the colours that there are.
        actions: Ids of the actions that there are.
        problem: Gives for keys of actions what is wrong with them: id to a sentence.

    Raises:
        InvalidFile: With everything that is wrong in it.
        StorageFault: It is there and cannot be read.
    """
    path = config_file()
    data = _read(path)
    if data is None:
        return Preferences()
    root, sheet = toml_sheet(data, str(path))
    top = sheet.table(root, (), {"theme": check.one_of(*sorted(themes)), "keys": check.anything})
    keys = _keys(sheet, top.get("keys", {}), actions)
    for id, sentence in problem(keys).items():
        sheet.problem(("keys", *id.split(".")), sentence)
    sheet.finish()
    return Preferences(cast("str", top.get("theme", "")), keys)


def _keys(sheet: Sheet, raw: object, actions: Collection[str]) -> dict[str, str]:
    """``[keys.prompts] run = "f9"`` and ``[keys] "prompts.run" = "f9"`` say the same."""
    table = check.mapping(raw)
    if table is None:
        sheet.problem(("keys",), f"Expected tables such as `[keys.prompts]`, got {check.kind(raw)}.")
        return {}
    found: dict[str, str] = {}
    for scope, value in table.items():
        inner = check.mapping(value)
        pairs = {scope: value} if inner is None else {f"{scope}.{name}": item for name, item in inner.items()}
        for id, keys in pairs.items():
            path = ("keys", scope) if inner is None else ("keys", *id.split(".", 1))
            if id not in actions:
                hint = did_you_mean(id, actions) or "`promptlab keys` lists them."
                sheet.problem(path, f"There is no action `{shown(id)}`.", hint)
            elif not isinstance(keys, str) or not keys.strip():
                sheet.problem(path, f'Expected keys in quotes, such as "ctrl+e" or "f9,x", got {check.kind(keys)}.')
            else:
                found[id] = ",".join(key.strip() for key in keys.split(","))
    return found


def keep_theme(name: str) -> None:
    """Write the colours into the file, and nothing else.

    Raises:
        CannotEdit: The file is no TOML.
        StorageFault: It cannot be written.
    """
    path = config_file()
    data = _read(path)
    edited = change_tables(data or b"", [Change(("theme",), name)])
    edit.write_if_unchanged(path, edited, None if data is None else edit.stamp(data))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise StorageFault(f"{path} cannot be read: {fault.strerror}.") from None
