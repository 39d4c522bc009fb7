"""The steps of a chain on the screens: before it runs, and where it failed."""

from __future__ import annotations

from pathlib import Path

from places import FIRST, git
from tui.runs_made import finished
from tui.sitting import NORMAL, WIDE, Sitting, sitting

from promptlab.lab.values import RunRequest
from promptlab.tui.screens.steps import StepsDialog
from promptlab.tui.widgets.textview import TextView
from promptlab.tui.widgets.virtual_table import VirtualTable

CHAIN = """inputs = ["ticket"]
[[steps]]
name = "draft"
prompt = "triage"
inputs = { ticket = "{{ ticket }}" }
[[steps]]
name = "label"
extract = { from = "{{ draft.text }}", regex = "billing|shipping" }
[[steps]]
name = "twice"
prompt = { messages = [{ role = "user", content = "Say {{ label }} again" }] }
inputs = { label = "{{ label.text }}" }
"""
BESIDE = RunRequest(subjects=("triage", "sure", "sure@v1"), baseline="triage")


def chained(folder: Path) -> Path:
    path = folder / "prompts" / "sure.toml"
    path.write_text(CHAIN)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Ask in steps")
    path.write_text(CHAIN.replace("Say {{ label }} again", "Say {{ label }} twice"))
    return folder


def dialog(here: Sitting) -> StepsDialog:
    screen = here.app.screen
    assert isinstance(screen, StepsDialog)
    return screen


async def test_a_chain_runs_beside_a_prompt_and_its_failed_step_is_three_keys_away(folder: Path) -> None:
    chained(folder)
    judge = FIRST.replace("{{ ticket }}", "{{ answer }}") + '[judge]\nscale = [1, 5]\ncriterion = "Good"\n'
    (folder / "prompts" / "judges").mkdir()
    (folder / "prompts" / "judges" / "good.toml").write_text(judge)
    (folder / "prompts" / "written.toml").write_text(FIRST.replace("{{ ticket }}", "{{ letter }}"))
    async with sitting(folder, NORMAL) as here:
        await here.sees("sure")
        await here.press("j", "j")
        await here.until(lambda: here.app.session.prompt == "sure")
        await here.press("R")
        await here.sees("triage  another prompt")
        assert "judges/good  another" not in here.text
        assert "written  another" not in here.text, "the examples have no letter"
        await here.press("tab", "G", "space", "enter")
        await here.until(lambda: here.status.startswith("done: 24/24 answers"))
        await here.press("1")
        # From the first screen: Results, only errors, steps.
        await here.press("3", "exclamation_mark")
        await here.sees("! t8")
        await here.press("t")
        await here.until(lambda: isinstance(here.app.screen, StepsDialog))
        await here.until(lambda: dialog(here).query_one(VirtualTable).row_key == "label")
        detail = dialog(here).query_one(TextView)
        await here.until(lambda: "The pattern billing|shipping is not in the text." in detail.text)
        assert "draft gave  other" in detail.text


async def test_steps_beside_those_of_another_column(folder: Path) -> None:
    await finished(chained(folder), BESIDE, save=False)
    async with sitting(folder, WIDE) as here:
        await here.press("3")
        await here.sees("sure* · api")
        await here.press("h", "t")
        await here.sees("a triage@v2 · api is no chain: it has no steps.")
        await here.press("l", "t")
        await here.until(lambda: isinstance(here.app.screen, StepsDialog))
        await here.press("l")
        await here.sees("against c sure@v1 · api")
        await here.sees("asked otherwise, answered the same")
        await here.press("G")
        text = dialog(here).query_one(TextView)
        await here.until(lambda: "Say billing [-again-]{+twice+}" in text.text)
        assert "asked otherwise, answered the same" in here.text
        await here.press("l")
        await here.until(lambda: "against c" not in here.text)
        await here.press("escape")
        await here.until(lambda: not isinstance(here.app.screen, StepsDialog))


async def test_the_preview_shows_what_each_step_would_send(folder: Path) -> None:
    async with sitting(chained(folder)) as here:
        await here.sees("triage")
        await here.press("j")
        preview = here.prompts.query_one("#preview", TextView)
        await here.until(lambda: "── draft · prompt ──" in preview.text)
        assert "user  Label this as billing, shipping or other: I was charged twice." in preview.text
        assert "regex billing|shipping of ‹draft.text›" in preview.text
        assert "Say ‹label.text› twice" in preview.text


async def test_a_chain_is_committed_with_what_it_follows(folder: Path) -> None:
    chained(folder)
    git(folder, "checkout", "-q", ".")
    triage = folder / "prompts" / "triage.toml"
    triage.write_text(triage.read_text().replace("Label this", "Label it"))
    async with sitting(folder) as here:
        await here.sees("sure")
        await here.press("j")
        await here.until(lambda: here.app.session.prompt == "sure")
        await here.sees("◌ » sure")
        await here.sees("○ triage")
        await here.sees("what it uses is edited, not committed")
        await here.press("c")
        await here.sees("prompts/triage.toml  edited")
        await here.press("ctrl+s")
        await here.until(lambda: here.status.startswith("committed"))
    assert git(folder, "status", "--porcelain") == ""
