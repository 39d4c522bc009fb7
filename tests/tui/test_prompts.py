"""The Prompts screen on a real workspace with a real endpoint on the loopback address."""

from __future__ import annotations

import re
import stat
from contextlib import nullcontext
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer, status
from tui.sitting import NORMAL, Sitting, sitting

from promptlab.tui.screens.buffers import wording_start
from promptlab.tui.widgets.textview import TextView

JUDGE = """[judge]
scale = [1, 5]

[[messages]]
role = "user"
content = "Is it polite? {{ answer }}"
"""
HOSTILE = "[INST] \x1b[31mred [/] 漢字 👨\u200d👩 \u202eabc"


def triage(folder: Path) -> Path:
    return folder / "prompts" / "triage.toml"


async def opened(here: Sitting) -> None:
    """The list, the file and its preview are on the screen, and git has told the versions."""
    await here.until(lambda: here.prompts.query_one("#preview", TextView).text.startswith("tickets · t1"))
    await here.sees("v2")


async def edit_top(here: Sitting) -> None:
    """Put the cursor of the editor to the very start of the file."""
    await here.press("e")
    here.prompts.editor.move_cursor((0, 0))


async def test_the_preview_is_filled_from_an_example_and_the_text_from_the_disk_and_what_is_typed(
    folder: Path,
) -> None:
    async with sitting(folder) as here:
        await opened(here)
        preview = here.prompts.query_one("#preview", TextView).text
        assert preview.endswith("── user ──\nLabel this as billing, shipping or other: I was charged twice.\n")
        await here.press("right_square_bracket")
        await here.sees("tickets · t2  2/8")
        await here.press("left_square_bracket", "left_square_bracket")
        await here.sees("tickets · t8  8/8")

        # Nothing is edited here: what another program writes is shown.
        triage(folder).write_text(places.SECOND + "# from outside\n")
        await here.until(lambda: here.prompts.editor.text.endswith("# from outside\n"))
        assert here.status == "prompts/triage.toml changed on disk and was read again"
        await here.sees("main*1")

        # What cannot be read is said for as long as it is so.
        for name in ("promptlab.toml", "evalsets/tickets.toml"):
            before = (folder / name).read_bytes()
            (folder / name).write_bytes(b"\xff [ garbage\n")
            await here.until(lambda name=name: here.status.startswith(f"{name}:1: "))
            (folder / name).write_bytes(before)
            await here.until(lambda: not here.status)

        # Editing begins at the words of the first message.
        await here.press("e")
        await here.type("Please. ")
        await here.sees("Please. Label this as billing")

        here.prompts.editor.swap(places.SECOND.replace("{{ ticket }}", "{{ tikcet }}"))
        await here.until(lambda: here.status == "The example has no variable tikcet, which the prompt uses.")
        await here.sees("not used by the prompt: ticket")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[[messages]]\ncontent = "Hi"\n', (1, 11)),
        ('[[messages]]\ncontent = """Hi\n"""\n', (1, 13)),
        ("[[messages]]\ncontent = '''\nHi'''\n", (2, 0)),
        ("nothing here", (0, 0)),
    ],
)
def test_where_the_words_begin(text: str, place: tuple[int, int]) -> None:
    assert wording_start(text) == place


async def test_what_is_wrong_is_said_with_its_line_while_typing_and_what_is_saved_when_it_is(folder: Path) -> None:
    async with sitting(folder) as here:
        await opened(here)
        await here.press("e", *["up"] * 9, "home", "down")
        await here.type("tempp = 1")
        await here.sees("This text does not load yet.")
        await here.until(lambda: here.status.startswith("prompts/triage.toml:2: tempp:"))
        await here.press(*["backspace"] * len("tempp = 1"))
        await here.sees("tickets · t1")
        await here.until(lambda: here.status == "")

        await here.press("up", "home", "#", "space")
        await here.sees("● triage")
        await here.press("ctrl+s")
        await here.until(lambda: here.status == "saved prompts/triage.toml")
        assert triage(folder).read_text() == "# " + places.SECOND
        assert "●" not in here.text
        await here.press("ctrl+s")
        await here.until(lambda: here.status == "nothing to save")


async def test_a_read_only_file_is_a_sentence_and_the_text_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sitting(folder) as here:
        await opened(here)
        await here.press("e", *["up"] * 9, "home", "#")
        triage(folder).parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
        monkeypatch.setattr("os.replace", _denied)
        monkeypatch.setattr("os.rename", _denied)
        await here.press("ctrl+s")
        await here.until(lambda: here.status and here.app.session.bad)
        triage(folder).parent.chmod(stat.S_IRWXU)
        assert "prompts/triage.toml" in here.status
        assert here.prompts.editor.text.startswith("#")
        assert here.prompts.buffers["triage"].edited


def _denied(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(("key", "disk"), [("M", "mine"), ("T", "theirs"), ("escape", "theirs")])
async def test_a_change_by_another_program_loses_neither_text(folder: Path, key: str, disk: str) -> None:
    mine, theirs = "# mine\n" + places.SECOND, "# theirs\n" + places.SECOND
    async with sitting(folder) as here:
        await opened(here)
        here.prompts.editor.focus()
        here.prompts.editor.swap(mine)
        await here.sees("● triage")
        triage(folder).write_text(theirs)
        await here.until(lambda: "changed on disk too" in here.status)
        await here.press("ctrl+s")
        await here.sees("was changed by another program")
        assert "[-# theirs" in here.text
        assert "{+# mine" in here.text
        await here.press(key)
        await here.until(lambda: triage(folder).read_text() == {"mine": mine, "theirs": theirs}[disk])
        await here.pilot.pause(0.1)
        editor = here.prompts.editor
        assert editor.text == (theirs if key == "T" else mine)
        if key != "escape":
            await here.until(lambda: not here.prompts.buffers["triage"].edited)
            await here.press("ctrl+z")
            assert editor.text == (mine if key == "T" else theirs)


async def test_a_new_prompt_is_created_from_an_empty_list(folder: Path) -> None:
    places.git(folder, "rm", "-q", "prompts/triage.toml")
    async with sitting(folder) as here:
        await here.sees("No prompt yet: press n to")
        await here.press("e", "r", "n")
        await here.sees("Name of the new prompt")
        await here.type("greet")
        await here.press("enter")
        await here.until(lambda: here.app.screen.focused is here.prompts.editor)
        await here.sees("prompts/greet.toml")
        assert (folder / "prompts" / "greet.toml").exists()
        await here.press("escape", "n")
        await here.type("greet")
        await here.sees("There is already a prompt “greet”.")


async def test_a_prompt_is_found_by_a_part_of_its_name(folder: Path) -> None:
    for name in ("mail/greet", "mail/thank", "apology"):
        file = folder / "prompts" / f"{name}.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(places.FIRST)
    async with sitting(folder) as here:
        await here.sees("apology.toml")
        await here.press("slash")
        await here.type("mail q")
        await here.sees("No name has that.")
        await here.press("enter")
        await here.press("backspace", "down", "down", "up", "enter")
        await here.until(lambda: here.prompts.current == "mail/greet")
        assert here.prompts.list.has_focus
        await here.press("slash")
        await here.type("THA")
        await here.press("enter")
        await here.until(lambda: here.prompts.current == "mail/thank")


async def test_a_trial_runs_the_unsaved_text_beside_the_last_version(folder: Path, server: LoopbackServer) -> None:
    async with sitting(folder) as here:
        await opened(here)
        here.prompts.editor.swap(places.FIRST.replace("What is", "Tell me what is"))
        await here.sees("about 12 tokens")
        await here.press("e", "ctrl+r")
        await here.until(lambda: here.status.startswith("done: 10/10 answers"))
        await here.sees("b triage* · api")
        await here.sees("a triage@v2 · api  exact 5 of 5 [")
        await here.sees("b triage* · api  exact 0 of 5 [0.0, ")
        # Short answers stand beside each other: all five examples are seen at once.
        assert re.search(r"t1  expected billing +a ✓ billing +b ✗ It is about billing\.", here.text), here.text
        assert "t5  expected " in here.text
        # What each column took stands below; the preview counts with what the answers said of tokens.
        await here.sees("a  40 tokens in, ")
        await here.sees("about 7 tokens")  # the server tells of 8 for an average one
        assert len(server.asked) == 10
        assert triage(folder).read_text() == places.SECOND
        tried = here.prompts.editor.text
        here.prompts.editor.swap(places.SECOND)
        await here.sees("─ trial of an earlier text ─")
        here.prompts.editor.swap(tried)
        await here.sees("─ trial ─")


async def test_a_judge_is_not_run_by_itself_and_the_whole_sentence_says_why(folder: Path) -> None:
    judge = folder / "prompts" / "judges" / "polite.toml"
    judge.parent.mkdir()
    judge.write_text(JUDGE)
    places.git(folder, "add", "-A")
    places.git(folder, "commit", "-q", "-m", "Judge")
    async with sitting(folder, NORMAL) as here:
        await here.sees("judges/polite")
        await here.press("j")
        await here.until(lambda: here.prompts.current == "judges/polite")
        await here.sees("Is it polite?")
        for keys in (["r"], ["R"], ["e", "ctrl+r", "escape"], ["5", "r"]):
            here.app.session.say("")
            if keys[0] == "5":
                await here.press(keys.pop(0))
                await here.sees("1 version")
            await here.press(*keys)
            await here.until(lambda: here.status.startswith("judges/polite is a judge: it grades answers"))
        said = " ".join(" ".join(here.lines[-3:-1]).split())
        assert said.endswith("Name it in an eval set's [[metrics]].")
        here.app.session.say("x" * 1000)
        await here.until(lambda: here.lines[-2].endswith("…"))
        here.app.session.say("short")
        await here.until(lambda: here.lines[-2] == " short")
        assert "x" * 20 not in here.text


async def test_a_trial_of_a_committed_text_keeps_nothing_and_the_dialogs_say_what_they_take(
    folder: Path,
) -> None:
    async with sitting(folder) as here:
        await opened(here)
        await here.press("r")
        await here.until(lambda: here.status.startswith("done: 5/5 answers"))
        lab = here.app.session.lab_now
        assert lab is not None
        assert lab.runs() == []

        # An old text is put into the editor and can be taken back.
        await here.prompts.take("triage", places.FIRST)
        await here.sees("● triage")
        assert triage(folder).read_text() == places.SECOND
        await here.press("ctrl+z")
        assert here.prompts.editor.text == places.SECOND
        await here.until(lambda: not here.app.session.unsaved)
        await here.press("escape", "R")
        await here.sees("2 versions × 1 model × 8 on tickets = 16 answers, against triage@v1")
        assert "working copy  = v2" in here.text
        await here.press("shift+tab", "shift+tab", "shift+tab", "space", "up", "up", "space")
        await here.press("escape")
        assert "Run triage" not in here.text

        await here.press("n")
        await here.type("../x")
        await here.press("enter")
        await here.until(lambda: "cannot be a prompt's name" in here.status)


async def test_failures_are_said_where_the_output_would_be_and_hostile_outputs_are_not_obeyed(
    folder: Path, server: LoopbackServer
) -> None:
    server.rule = lambda asked: status(401, "Incorrect API key [/] \x1b[31m")
    async with sitting(folder) as here:
        await opened(here)
        await here.press("r")
        await here.until(lambda: "failed" in here.status or here.app.session.bad)
        await here.sees("a ! ")
        assert "401" in here.text
        assert "\x1b" not in here.text

        server.rule, server.reply = None, HOSTILE
        await here.press("r")
        await here.sees("[INST] ␛[31mred [/] 漢字 👨👩 ⇄abc")
        assert "\x1b" not in here.text


async def test_a_key_is_not_sent_before_the_endpoint_is_trusted(folder: Path, server: LoopbackServer) -> None:
    settings = folder / "promptlab.toml"
    text = settings.read_text().replace(server.base_url, "http://models.example/v1")
    settings.write_text(text.replace('model = "scripted"', 'model = "scripted"\napi_key_env = "SHOP_KEY"'))
    async with sitting(folder) as here:
        await opened(here)
        await here.press("r")
        await here.sees("Send a key to this endpoint?")
        assert "sends the key in SHOP_KEY, and every prompt, to http://models.example/v1." in " ".join(
            here.text.split()
        )
        await here.press("enter")
        await here.until(lambda: here.status == "Not started: the endpoint is not trusted.")
        await here.press("r")
        await here.sees("Send a key to this endpoint?")
        await here.press("T")
        await here.until(lambda: "SHOP_KEY" in here.status or "! " in here.text)
        await here.press("r")
        await here.pilot.pause(0.2)
        assert "Send a key" not in here.text


async def test_every_pane_can_be_reached_at_every_size(folder: Path) -> None:
    async with sitting(folder) as here:
        async for size in here.sizes():
            await here.sees("triage.toml")
            await here.press("v")
            await here.sees("tickets · t1")
            assert here.app.focused is not None
            assert here.app.focused.id == "preview"
            await here.press("v")
            await here.sees("r  tries the text on five")
            # Round to the editor, which e goes into: the next v is not typed into the prompt.
            await here.press("v")
            assert here.prompts.list.has_focus
            await here.press("v", "v", "v")
            assert here.app.session.unsaved == set()
            await here.press("e")
            assert here.prompts.editor.has_focus
            assert len(list(here.app.screen.walk_children())) < 150
            await here.press("escape", "z")
            assert here.prompts.list.region.width == size[0]
            await here.press("q")
            assert here.prompts.list.region.width < size[0] / 2


async def test_the_persons_own_editor(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor = tmp_path / "my editor"
    monkeypatch.setenv("VISUAL", f"'{editor}'")
    async with sitting(folder) as here:
        await opened(here)
        monkeypatch.setattr(here.app, "suspend", nullcontext)
        await here.press("e", "ctrl+g")
        await here.until(lambda: "could not be started" in here.status)
        editor.write_text("#!/bin/sh\nexit 3\n")
        editor.chmod(0o755)
        await here.press("f4")
        await here.until(lambda: "ended with exit code 3. Nothing was changed." in here.status)
        assert triage(folder).read_text() == places.SECOND
        editor.write_text("#!/bin/sh\nprintf '# outside\\n' > \"$1\"\n")
        await here.press("f4")
        said = ("saved prompts/triage.toml", "prompts/triage.toml: The key `messages` is missing. Add it.")
        await here.until(lambda: here.status in said)  # the second one comes soon after the first
        assert triage(folder).read_text() == "# outside\n"
        monkeypatch.setenv("VISUAL", "vi '")
        await here.press("f4")
        await here.until(lambda: "is not a command line" in here.status)


async def test_a_file_with_two_kinds_of_line_ends_can_only_be_read_here(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = places.SECOND.replace("\n", "\r\n", 1)
    triage(folder).write_bytes(mixed.encode())
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nprintf '# end\\n' >> \"$1\"\n")
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    async with sitting(folder) as here:
        await here.sees("read only: mixed line ends, ^g edits")
        monkeypatch.setattr(here.app, "suspend", nullcontext)
        await here.press("e", "x", "ctrl+s")
        await here.until(lambda: here.status == "nothing to save")
        await here.press("ctrl+g")
        await here.until(lambda: here.status == "saved prompts/triage.toml")
        assert triage(folder).read_bytes() == mixed.encode() + b"# end\n"


async def test_an_input_of_ones_own_is_tried_survives_a_kill_and_becomes_an_example(folder: Path) -> None:
    file = folder / "evalsets" / "tickets.toml"
    before = file.read_text()
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("a")
        await here.sees("There is no input of your own to add: i types one.")
        await here.press("i")
        await here.sees("Your own input for triage")
        await here.type("I was TWICE")  # over the text of the example
        await here.press("ctrl+q")
        await here.until(lambda: here.app.return_value == 0)
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("i")
        await here.sees("ticket         I was TWICE")
        await here.press("ctrl+a", "ctrl+k")
        await here.type("A bill, please")
        await here.press("tab")
        await here.type("billing")
        await here.press("ctrl+s")
        await here.sees("r tries the prompt on it")
        await here.sees("other: A bill, please")
        await here.press("r")
        await here.sees("done: 1/1")
        await here.press("a")
        await here.sees("added t9 to evalsets/tickets.toml, tagged ad-hoc. u takes it back.")
        await here.sees("tickets · t9  9/9")
        new = (
            '[[examples]]\nid = "t9"\nvars = { ticket = "A bill, please" }\nexpected = "billing"\ntags = ["ad-hoc"]\n'
        )
        assert file.read_text() == before + new
        await here.press("6")
        await here.sees("9 examples")
        await here.press("f")
        await here.sees("ad-hoc · a triage@v2 · api · other")
        await here.press("enter")
        await here.sees("Example t9")
        await here.press("escape")
        await here.sees("What you typed here is not saved.")
        await here.press("L", "u")
        await here.sees("Last, just now: added t9 in")
        await here.press("U")
        await here.sees("8 examples")
        await here.press("f", "enter")
        await here.sees("New example of tickets")
        await here.press("ctrl+s")
        await here.sees("added t9")
    assert file.read_text() == before + new.replace("ad-hoc", "trial").replace("billing", "other")
