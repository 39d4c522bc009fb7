"""What works on every screen: the lines around it, help, palette, quitting, terminals of all sizes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer
from textual.events import Paste
from tui import headless
from tui.sitting import NORMAL, SMALL, WIDE, Sitting, sitting

import promptlab.tui
from promptlab.errors import NotFound
from promptlab.history.git import Git
from promptlab.lab import Lab
from promptlab.lab.values import PromptRow
from promptlab.tui.app import PromptlabApp
from promptlab.tui.screens.prompts import PromptsScreen
from promptlab.tui.widgets.lines import Lines


async def test_the_header_says_where_you_are_the_palette_what_can_be_done_and_q_quits(folder: Path) -> None:
    (folder / "notes.txt").write_text("x")
    async with sitting(folder) as here:
        await here.sees("shop  main*1")
        assert "1 Prompts   2 Compare   3 Results" in here.lines[0]
        await here.sees("triage.toml")
        await here.press("ctrl+p")
        await here.type("run all")
        await here.sees("run: run all")
        assert "and run all examples. (R)" in here.text
        await here.press("escape", "ctrl+p")
        await here.type("bisect")
        await here.sees("→ History: bisect")
        assert "got worse. (goes to History: B there)" in here.text
        await here.press("enter", "enter")
        await here.until(lambda: here.app.current_mode == "history")
        await here.press("q", "ctrl+c")
        assert here.status == "ctrl+q quits"
        await here.press("q")
        await here.until(lambda: here.app.return_value == 0)


async def test_the_first_screen_waits_for_no_git(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one git command has come to its end, and the prompt's text is there and can be edited."""
    real, may_run = Git._run, threading.Event()

    def run(*args: object, **options: object) -> object:
        assert may_run.wait(20)
        return real(*args, **options)

    monkeypatch.setattr(Git, "_run", run)
    monkeypatch.setattr(headless, "LONGEST", 0.1)
    try:
        async with sitting(folder) as here:
            await here.sees("triage.toml")
            await here.sees("other: I was charged twice.")
            here.app.simulate_key("e")  # a press would wait until the threads are done, which hold git
            await here.until(lambda: here.app.focused is here.prompts.editor)
            for letter in "first":
                here.app.simulate_key(letter)
            await here.sees("first")
            assert "main" not in here.lines[0]
            may_run.set()
            await here.sees("shop  main")
            await here.type("!")
            await here.sees("first!Label this")
    finally:
        may_run.set()


async def test_no_key_is_too_early(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pressed before the workspace is open, or its prompts are read, they act when they can, in their order."""
    real, may_open, may_list = Lab.prompts, threading.Event(), threading.Event()

    def prompts(lab: Lab) -> list[PromptRow]:
        assert may_list.wait(20)
        return real(lab)

    def opened() -> Lab:
        assert may_open.wait(20)
        return Lab.open(folder)

    monkeypatch.setattr(Lab, "prompts", prompts)
    monkeypatch.setattr(headless, "LONGEST", 0.1)
    app = PromptlabApp(opened)
    async with app.run_test(size=WIDE) as pilot:
        here = Sitting(app, pilot)
        app.simulate_key("e")
        app.simulate_key("1")
        may_open.set()
        await here.until(lambda: isinstance(app.screen, PromptsScreen))
        app.simulate_key("q")
        app.simulate_key("f1")  # works at once, and is no text
        await here.until(lambda: here.prompts.helping)
        app.simulate_key("escape")
        await here.until(lambda: not here.prompts.helping)
        assert not here.prompts.current
        may_list.set()
        await here.until(lambda: "1qLabel this" in here.prompts.editor.text)
        await here.type("!")
        await here.until(lambda: "1q!Label this" in here.prompts.editor.text)


async def test_each_key_waits_for_what_the_one_before_did(folder: Path) -> None:
    """A macro, or a hand that is quicker than the screen: none of it goes where the focus was."""
    async with sitting(folder) as here:
        await here.sees("v2")
        for key in ("e", "1", "q", "escape", "2", "1", "e", "8"):
            here.app.simulate_key(key)
        here.app.post_message(Paste("pasted "))
        await here.until(lambda: here.app.current_mode == "prompts" and "1q8pasted Label" in here.prompts.editor.text)


async def test_a_workspace_without_git_says_so(tmp_path: Path) -> None:
    folder = places.workspace(tmp_path / "shop")
    (folder / ".git").rename(tmp_path / "elsewhere")
    async with sitting(folder) as here:
        await here.sees("shop  no git")
        await here.sees("triage")


async def test_footer_and_help_tell_what_the_focused_pane_can_do(folder: Path) -> None:
    async with sitting(folder) as here:
        async for _ in here.sizes():
            await here.sees("triage.toml")
            assert here.lines[-1].endswith("? help  ^p cmds")
            assert "r run 5" in here.lines[-1]
            await here.press("question_mark")
            await here.sees("The prompts, chains (») and")
            await here.press("question_mark")
            assert "The prompts, chains" not in here.text
            assert here.prompts.list.has_focus
            await here.press("e", "f1")
            await here.sees("The prompt's file, as it is.")
            await here.press("f1")
            assert here.prompts.editor.has_focus
            assert here.lines[-1].endswith("F1 help  ^p cmds")
            assert "^s save" in here.lines[-1]
            assert "/ find" not in here.lines[-1]
            await here.press("escape")


async def test_the_footer_says_what_q_does_and_its_keys_can_be_clicked(folder: Path) -> None:
    async with sitting(folder) as here:
        await here.sees("triage.toml")
        assert "q quit" in here.lines[-1]
        assert await here.pilot.click(offset=(here.lines[-1].index("e edit"), WIDE[1] - 1))
        await here.until(lambda: here.prompts.editor.has_focus)
        await here.press("escape")
        await here.until(lambda: "z" in here.prompts.active_bindings)
        await here.press("z")
        assert "q back" in here.lines[-1]
        await here.press("q", "4", "5", "4", "5", "4")
        await here.until(lambda: "q back" in here.lines[-1])
        assert await here.pilot.click(offset=(here.lines[-1].index("q back"), WIDE[1] - 1))
        await here.until(lambda: here.app.current_mode == "history")
        await here.press("q")
        await here.until(lambda: here.app.current_mode == "prompts")
        assert "q quit" in here.lines[-1]


async def test_esc_q_and_another_screen_close_the_help(folder: Path) -> None:
    async with sitting(folder) as here:
        async for size in here.sizes(WIDE, NORMAL):
            await here.sees("triage.toml")
            for key in ("escape", "q", "4"):
                await here.press("question_mark")
                await here.sees("help: ? or Esc closes it")
                await here.press(key)
                await here.until(lambda: "Esc closes it" not in here.text)
            await here.press("1")
            await here.sees("triage.toml")
            assert "Esc closes it" not in here.text
            assert here.prompts.list.has_focus
            await here.press("e", "f1", "escape", "f1")
            await here.sees("? or Esc closes it" if size == NORMAL else "F1 or Esc closes it")
            await here.press("escape")
            assert here.prompts.editor.has_focus
            await here.press("escape")


async def test_quitting_with_unsaved_text_asks_and_enter_stays(folder: Path) -> None:
    async with sitting(folder) as here:
        await here.sees("triage.toml")
        await here.press("e", "#", "ctrl+q")
        await here.sees("Not saved: triage.")
        await here.press("enter")
        assert here.app.return_value is None
        await here.press("ctrl+q")
        await here.sees("Not saved: triage.")
        await here.press("Q")
        await here.until(lambda: here.app.return_value == 0)


def test_a_folder_without_a_workspace_is_a_sentence_not_a_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PromptlabApp.run
    monkeypatch.setattr(PromptlabApp, "run", lambda self: real(self, headless=True))
    monkeypatch.setenv("TEXTUAL_FPS", "60")
    found = gc.get_threshold(), sys.getswitchinterval()
    with pytest.raises(NotFound, match="promptlab init"):
        promptlab.tui.main(tmp_path)
    assert os.environ["TEXTUAL_FPS"] == "60", "whoever has set it meant it"
    gc.set_threshold(*found[0])
    sys.setswitchinterval(found[1])


def test_the_toolkit_is_told_how_often_to_paint_before_it_is_imported(tmp_path: Path) -> None:
    told = (
        "import promptlab.tui, sys; from pathlib import Path; assert 'textual' not in sys.modules\n"
        "try: promptlab.tui.main(Path())\n"
        "except Exception as fault: print(type(fault).__name__)\n"
        "from textual import constants; print(constants.MAX_FPS)"
    )
    env = {name: value for name, value in os.environ.items() if name != "TEXTUAL_FPS"}
    env["TEXTUAL_DRIVER"] = "textual.drivers.headless_driver:HeadlessDriver"
    found = subprocess.check_output([sys.executable, "-c", told], cwd=tmp_path, env=env, text=True, timeout=60.0)
    assert found.splitlines()[-1] == promptlab.tui.FRAMES


async def test_a_scroll_bar_of_nothing_to_scroll_is_not_seen_under_the_mouse_either(folder: Path) -> None:
    async with sitting(folder) as here:
        await here.sees("v2")
        for keys, seen in ((), "v2"), (("R",), "what to run"), (("escape", "at"), "git "):
            await here.press(*keys)
            await here.sees(seen)
            for lines in here.app.screen.query(Lines):
                found = lines.styles
                hidden = {
                    found.scrollbar_background,
                    found.scrollbar_background_hover,
                    found.scrollbar_background_active,
                }
                assert hidden == {found.background}, lines


async def test_no_colour_never_means_black_on_black(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TEXTUAL_THEME", "ansi-dark")
    async with sitting(folder) as here:
        await here.sees("triage.toml")
        assert not here.app.current_theme.ansi


async def test_quitting_during_a_run_ends_it_at_once_and_keeps_what_is_done(
    folder: Path, server: LoopbackServer
) -> None:
    reply = server.reply

    def two_answers(text: str) -> str:
        server.latency = 300.0 if len(server.asked) > 2 else 0.0
        return reply if isinstance(reply, str) else reply(text)

    server.reply = two_answers
    settings = folder / "promptlab.toml"
    settings.write_text(settings.read_text().replace("timeout = 5.0", "timeout = 600.0\nconcurrency = 2"))
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("R")
        await here.sees("16 answers")
        await here.press("enter")
        await here.sees("2/16")
        await here.press("ctrl+q")
        await here.sees("What is done is kept")
        await here.press("Q")
        await here.until(lambda: here.app.return_value == 0)
    lab = Lab.open(folder)
    run = lab.runs()[0]
    table = lab.open_run(run.id)
    assert sum(table.outcome(v.column, e.id) is not None for v in table.variants for e in table.examples) == 2


async def test_a_folder_that_is_no_workspace_ends_with_its_sentence(tmp_path: Path) -> None:
    app = PromptlabApp(lambda: Lab.open(tmp_path))
    async with app.run_test() as pilot:
        while app.fault is None:
            await pilot.pause(0.02)
    assert app.return_value == 2
    assert "promptlab init" in str(app.fault)


def with_forty_more(folder: Path) -> None:
    tickets = folder / "evalsets" / "tickets.toml"
    more = "".join(
        f'[[examples]]\nid = "n{at}"\nvars = {{ ticket = "{at}: Refund me, please." }}\nexpected = "billing"\n'
        for at in range(40)
    )
    tickets.write_text(tickets.read_text() + more)


async def test_a_run_until_clear_stops_on_its_way(folder: Path, server: LoopbackServer) -> None:
    with_forty_more(folder)
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("U")
        await here.sees("it stops as soon as the verdict is clear")
        await here.press("u")
        await here.sees("96 answers, against triage@v1")
        assert "as soon as" not in here.text
        await here.press("u", "enter")
        await here.sees("Clear after 16 of 48 examples")
        await here.sees("32 not asked")
        await here.press("v")
        await here.sees("64 cells not asked, 67 % saved.")
        await here.sees("BETTER")
    assert server.count.total() == 32


async def test_what_was_said_of_one_screen_is_not_said_on_another(folder: Path) -> None:
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("ctrl+c", "5")
        await here.until(lambda: here.app.current_mode == "history" and not here.status)
        await here.press("1", "r")
        await here.until(lambda: here.status.startswith("done: 5/5"))
        await here.press("3")  # a trial is not what Results shows
        await here.until(lambda: here.app.current_mode == "results" and not here.status)


async def test_too_small_a_terminal_gets_a_sentence_and_in_a_small_one_it_leaves_room(
    folder: Path,
) -> None:
    async with sitting(folder, (50, 12)) as here:
        await here.sees("promptlab needs 60 columns and 15 lines.")
        await here.pilot.resize_terminal(*SMALL)
        await here.sees("v2")
        assert "needs 60" not in here.text
        # 58 columns are for the text: the blank behind the last word of a full row is no reason to cut the word.
        here.app.session.say(" ".join(["seven77"] * 7 + ["e"]) + " and more")
        await here.sees("seven77 e")
        assert "…" not in here.lines[-3] + here.lines[-2]
        here.app.session.say("word " * 200)
        await here.until(lambda: here.lines[-2].endswith("…"))
        assert here.lines[-4].endswith(("┛", "╯"))


async def test_a_dear_run_is_asked_about_first(folder: Path, server: LoopbackServer) -> None:
    with_forty_more(folder)
    toml = folder / "promptlab.toml"
    toml.write_text(toml.read_text().replace("[defaults]", "[defaults]\nask_above = 0.000001"))
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("R", "enter")
        await here.sees("Spend this?")
        await here.sees("That is above ask_above = 1e-06")
        assert server.count.total() == 64  # of 96: what the estimate is drawn from
        await here.press("enter")  # the safe answer has the focus
        await here.sees("Not started. What was asked for the estimate is kept in the cache.")
        assert here.app.session.job is None
        await here.press("R", "enter")
        await here.sees("Spend this?")
        await here.press("S")
        await here.sees("done: 96/96 answers")
    assert server.count.total() == 96


async def test_without_a_model_the_run_dialog_says_what_to_write(folder: Path) -> None:
    (folder / "promptlab.toml").write_text('[defaults]\nevalset = "tickets"\n')
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("R")
        await here.sees("No model is declared. Add [models.NAME]")


async def test_a_change_that_is_seen_while_the_screens_are_closed_is_read_by_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, reading = PromptsScreen._message_loop_exit, list[object]()

    async def closed(screen: PromptsScreen) -> None:
        await real(screen)
        app = screen.app
        assert isinstance(app, PromptlabApp)
        lab = app.session.lab_now
        assert lab is not None
        monkeypatch.setattr(lab, "watch", lambda: ("prompts/triage.toml",))
        await app._watch_once(lab)
        reading.extend(worker for worker in app.workers if worker.node is screen and not worker.is_cancelled)

    monkeypatch.setattr(PromptsScreen, "_message_loop_exit", closed)
    async with sitting(folder) as here:
        await here.sees("triage.toml")
    assert reading == []
