"""The Models screen: what each model is, how good and fast it is, running and timing them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tui.runs_made import finished
from tui.sitting import WIDE, Sitting, sitting

from promptlab.lab.values import RunRequest
from promptlab.tui.screens.models import ModelsScreen

NOW = RunRequest(subjects=("triage",), models=("api",))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "state"))


def screen(here: Sitting) -> ModelsScreen:
    assert isinstance(here.app.screen, ModelsScreen)
    return here.app.screen


def row_of(here: Sitting, name: str) -> str:
    return next((line for line in here.lines[:12] if f" {name} " in line), "")


async def test_models_with_quality_and_those_without(folder: Path) -> None:
    await finished(folder, NOW)
    async with sitting(folder) as here:
        await here.press("7")
        async for size in here.sizes():
            await here.until(lambda: "100.0 %" in row_of(here, "api") and "8" in row_of(here, "api"))
            assert "◆1" in row_of(here, "api")
            assert "Models with triage v2" in here.text
            await here.sees("exact 100.0 %")
            if size != WIDE:
                assert "exact against latency" not in here.text
                await here.press("v")
            await here.sees("exact against latency")
            await here.sees("◆1")
            await here.press("v")
        await here.press("down")
        await here.until(lambda: "no run yet: press r" in row_of(here, "nano"))
        await here.sees("No run of triage over tickets yet.")
        await here.press("enter")
        assert here.status == "No run has measured this model with the prompt as it is: r runs it."
        await here.press("up", "a")
        await here.sees("◆ best for its cost")
        await here.press("enter")
        await here.sees("3 Results")
        await here.until(lambda: here.app.current_mode == "results")


async def test_an_older_text_of_the_prompt_measures_nothing(folder: Path) -> None:
    await finished(folder, RunRequest(subjects=("triage@v1",), models=("api",)))
    async with sitting(folder) as here:
        await here.press("7")
        await here.until(lambda: "no run yet: press r" in row_of(here, "api"))
        await here.sees("No run of triage as it is now over tickets yet: r runs it")


async def test_r_runs_the_prompt_on_every_model_and_the_table_fills(folder: Path) -> None:
    (folder / "promptlab.toml").write_text(
        (folder / "promptlab.toml").read_text().replace('[models.nano]\ngguf = "demo:nano"\n', "")
    )
    async with sitting(folder) as here:
        await here.press("7")
        await here.until(lambda: "no run yet" in row_of(here, "api"))
        await here.press("r")
        await here.sees("1 version × 1 model × 8 on tickets = 8 answers")
        await here.press("enter")
        await here.sees("done: 8/8")
        await here.press("7")
        await here.until(lambda: "100.0 %" in row_of(here, "api"))


async def test_timing_shows_how_far_it_is_keeps_what_it_found_and_ends_on_x(folder: Path) -> None:
    async with sitting(folder) as here:
        await here.press("7")
        await here.until(lambda: row_of(here, "nano") and row_of(here, "api"))
        await here.press("b")
        assert here.status == "Only models in files that can be used can be timed on this machine."
        await here.press("down", "space", "b")
        await here.until(lambda: here.status.startswith("timing nano: "), 20)
        assert "x stop" in here.lines[-1]
        await here.until(lambda: "loading" not in here.status, 20)
        await here.press("x")
        await here.until(lambda: here.status == "stopped; what was measured of 1 model is kept", 20)
        await here.sees("Timed on this machine")
        assert "x stop" not in here.lines[-1]


async def test_a_workspace_without_models_or_prompts_says_what_to_do(folder: Path) -> None:
    (folder / "promptlab.toml").write_text("")
    async with sitting(folder) as here:
        await here.press("7")
        await here.sees("No model is declared. Add [models.NAME]")
        await here.press("r")
        assert here.status.startswith("No model is declared.")
        await here.press("b", "enter", "space", "a", "v")
        (folder / "promptlab.toml").write_text('[models.gone]\ngguf = "gone.gguf"\nlicense = "[/] [INST]"\n')
        await here.sees("[/] [INST]")
        assert "! " in row_of(here, "gone")
        await here.press("b")
        assert here.status == "Only models in files that can be used can be timed on this machine."
        await here.press("r")
        assert here.status == "None of these models can be used now: the facts say why."


async def test_an_endpoint_that_is_not_trusted_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "k")
    (folder / "promptlab.toml").write_text(
        '[models.far]\nmodel = "m"\nbase_url = "https://models.example.org/v1"\napi_key_env = "SHOP_KEY"\n'
        '[defaults]\nevalset = "tickets"\n'
    )
    async with sitting(folder) as here:
        await here.press("7")
        await here.until(lambda: "! models.exa" in row_of(here, "far"))
        await here.sees("It would get a key and is not trusted yet")
