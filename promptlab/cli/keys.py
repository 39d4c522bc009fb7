"""`promptlab keys`: every key of the screens, and where to choose others."""

from __future__ import annotations

import click

from promptlab.cli.output import data, json_option, line, say, table
from promptlab.errors import ExitCode


@click.command("keys")
@json_option
def keys_command(as_json: bool) -> int:
    """List what the screens can do, with the keys as you have them.

    Other keys and colours are yours to choose in a file that is named below the list:

    \b
        theme = "nord"
        [keys.prompts]
        run = "f9"              # of the action prompts.run; several with commas between
    """
    from promptlab.lab.preferences import config_file
    from promptlab.tui.actions import ACTIONS
    from promptlab.tui.keymap import own_keys

    own = own_keys()
    found = [
        {
            "action": action.id,
            "keys": own.keys.get(action.id, action.keys),
            "own": action.id in own.keys,
            "help": action.help,
        }
        for actions in ACTIONS.values()
        for action in actions
    ]
    if as_json:
        data(found)
        return ExitCode.DONE
    table(
        ("ACTION", "KEYS", "WHAT IT DOES"),
        [(str(one["action"]), f"{one['keys']}{' *' if one['own'] else ''}", str(one["help"])) for one in found],
    )
    file = config_file()
    line()
    there = "" if file.exists() else " (not there yet)"
    say(f"{'* chosen by you in' if own.keys else 'Choose others in'} {file}{there}.")
    return ExitCode.DONE
