"""Keys and colours of one's own: chosen in a file, checked with a sentence for each thing that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import click.testing
import pytest
from tui.sitting import sitting

from promptlab.cli.main import cli
from promptlab.errors import InvalidFile
from promptlab.lab.preferences import config_file
from promptlab.tui.keymap import own_keys


def write(text: str) -> Path:
    file = config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


async def test_own_keys_and_colours_work_and_are_shown(folder: Path) -> None:
    file = write('theme = "nord"  # blue\n[keys.prompts]\nrun_all = "f9,ctrl+y"\n[keys]\n"app.help" = "f12"\n')
    async with sitting(folder, (120, 50)) as here:
        await here.sees("v2")
        assert here.app.theme == "nord"
        assert "F9 run all" in here.lines[-1]
        assert "F12 help" in here.lines[-1]
        await here.press("R")
        assert "16 answers" not in here.text
        await here.press("f12")
        await here.sees("F9          Choose versions")
        await here.press("f12", "f9")
        await here.sees("16 answers")
        await here.press("escape")
        here.app.theme = "gruvbox"
        await here.until(lambda: "gruvbox from now on" in here.status)
    assert file.read_text().startswith('theme = "gruvbox"  # blue\n[keys.prompts]\n')


async def test_a_file_that_says_nonsense_is_told_and_changes_nothing(folder: Path) -> None:
    write('theme = "nrd"\n')
    async with sitting(folder) as here:
        await here.until(lambda: "Did you mean `nord`?" in here.status)
        await here.press("R")
        await here.sees("16 answers")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[keys.prompts]\nrn = 'f9'\n",
            "keys.prompts.rn: There is no action `prompts.rn`. Did you mean `prompts.run`?",
        ),
        ("[keys.prompts]\nrun = 5\n", 'config.toml:2: keys.prompts.run: Expected keys in quotes, such as "ctrl+e"'),
        ("[keys.prompts]\nrun = 'R'\n", "`R` is the key of `prompts.run_all` too: give that one another."),
        ("[keys.prompts]\nrun = 'ctrl+h'\n", "`ctrl+h` cannot be told apart: terminals send backspace."),
        ("[keys.prompts]\nrun = 'hold+x'\n", "`hold+x` is no key: hold one of ctrl, shift, alt."),
        ("[keys.prompts]\nrun = 'enterr'\n", "`enterr` is no key. Such as: f9"),
        ("colour = 1\n", "config.toml:1: colour: Unknown key `colour`."),
        ("keys = 3\n", "Expected tables such as `[keys.prompts]`, got 3."),
        ("[keys", "This is not valid TOML"),
    ],
)
def test_what_is_wrong_is_a_sentence_with_its_place(text: str, words: str) -> None:
    write(text)
    with pytest.raises(InvalidFile) as fault:
        own_keys()
    assert words in str(fault.value)


def test_two_actions_may_swap_their_keys() -> None:
    write('[keys.prompts]\nrun = "R"\nrun_all = "r"\nnew = "question_mark"\n')
    assert own_keys().keys == {"prompts.run": "R", "prompts.run_all": "r", "prompts.new": "question_mark"}


def test_the_command_lists_every_action_with_its_keys() -> None:
    runner = click.testing.CliRunner()
    plain = runner.invoke(cli, ["keys"])
    assert "prompts.run_all" in plain.output
    assert "(not there yet)" in plain.output
    write('[keys.prompts]\nrun = "f9"\n')
    found = json.loads(runner.invoke(cli, ["keys", "--json"]).stdout)
    assert next(one for one in found if one["action"] == "prompts.run")["keys"] == "f9"
