"""The Review screen: what judges are asked is asked of a person, blind, one key an answer."""

from __future__ import annotations

import json
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer
from tui.runs_made import finished
from tui.sitting import NORMAL, WIDE, Sitting, sitting

from promptlab.tui.widgets.textview import TextView

JUDGE = """[judge]
scale = [1, 5]
criterion = "It is the label alone."
[[messages]]
role = "user"
content = "Grade: {{ answer }}"
"""


def reviews(folder: Path) -> list[dict[str, object]]:
    path = folder / "reviews" / "tickets.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def shown(here: Sitting, pane: str) -> str:
    return here.app.screen.query_one(f"#{pane}", TextView).text


async def answered(here: Sitting, done: int, total: int = 8) -> None:
    await here.sees(f"{done}/{total} ▕")


@pytest.mark.parametrize("size", [WIDE, NORMAL])
async def test_pairs_are_chosen_blind_with_undo(folder: Path, size: tuple[int, int]) -> None:
    await finished(folder)
    async with sitting(folder, size) as here:
        await here.press("8")
        await here.sees("Which answer is better?")
        assert "triage" not in shown(here, "case") + shown(here, "left") + shown(here, "right")
        assert "triage@" not in here.text
        for done in range(3):
            await answered(here, done)
            await here.press("right" if shown(here, "right") in places.LABELS else "left")
        await answered(here, 3)
        stored = reviews(folder)
        # Whichever side it stood on, the label alone is the candidate's answer.
        assert {(one["kind"], one["value"]) for one in stored} == {("pairwise", 1.0)}
        await here.press("=")
        await answered(here, 4)
        await here.press("b")
        await answered(here, 5)
        assert [(one["value"], one.get("text", "")) for one in reviews(folder)[3:]] == [(0.5, ""), (0.5, "both bad")]
        await here.press("u")
        await answered(here, 4)
        assert reviews(folder)[-1]["takes_back"] == reviews(folder)[-2]["id"]
        before = shown(here, "case")
        await here.press("s")
        await here.until(lambda: shown(here, "case") != before)
        await here.press("i")
        await here.until(lambda: shown(here, "right") != "" and "\n" not in shown(here, "left"))
        assert "judge" not in here.text


async def test_what_was_answered_is_not_asked_again(folder: Path) -> None:
    await finished(folder)
    async with sitting(folder) as here:
        await here.press("8")
        await answered(here, 0)
        await here.press("left")
        await answered(here, 1)
        now = shown(here, "case")
    async with sitting(folder) as here:
        await here.press("8")
        await answered(here, 1)
        assert shown(here, "case") == now


async def test_grades_notes_and_the_judge_only_afterwards(folder: Path, server: LoopbackServer) -> None:
    (folder / "prompts" / "label.toml").write_text(JUDGE)
    text = places.evalset_text()
    (folder / "evalsets" / "tickets.toml").write_text(
        text.replace("[decision]", '[[metrics]]\nid = "judge"\njudge = "label"\n[decision]')
    )
    server.reply = lambda said: "4" if said.startswith("Grade:") else places.route(said)
    await finished(folder)
    async with sitting(folder) as here:
        await here.press("8")
        await here.sees("Which answer is better?")
        await here.press("m")
        await here.sees("It is the label alone.")
        await answered(here, 0, 16)
        await here.press("n")
        await here.sees("Enter stores it")
        await here.type("odd")
        await here.press("enter")
        await here.sees("note stored")
        await here.press("e")
        await here.sees("The right answer")
        await here.press("enter")
        await here.type("or so")
        await here.press("ctrl+s")
        await here.sees("correction stored")
        await here.press("9")  # no grade of this scale, and no screen either
        for done in range(16):
            await answered(here, done, 16)
            assert "the same on" not in here.text
            await here.press("4" if done else "5")
        await here.sees("All 16 are answered.")
        await here.sees("the same on 94% of 16")
    kinds = [one["kind"] for one in reviews(folder)]
    assert kinds == ["note", "correction", *["grade"] * 16]
    assert reviews(folder)[1]["text"].endswith("\nor so")
    assert {one["metric"] for one in reviews(folder)} == {"judge"}


async def test_a_review_that_cannot_be_stored_is_not_lost(folder: Path) -> None:
    await finished(folder)
    (folder / "reviews").mkdir()
    (folder / "reviews" / "tickets.jsonl").symlink_to("/dev/null")
    async with sitting(folder) as here:
        await here.press("8")
        await answered(here, 0)
        await here.press("left")
        await here.sees("reviews/tickets.jsonl: the review is not written")
        await answered(here, 0)


async def test_without_a_run(folder: Path) -> None:
    async with sitting(folder) as here:
        await here.press("8")
        await here.sees("No run to review.")
        await here.press("left", "u", "s", "m")
        assert reviews(folder) == []


async def test_a_quick_hand_answers_the_case_that_it_saw(folder: Path) -> None:
    await finished(folder)
    async with sitting(folder) as here:
        await here.press("8")
        await answered(here, 0)
        seen = next(word for line in here.lines if "Case " in line for word in line.split() if word.startswith("t"))
        # Both keys in one step, before anything is stored: the answer is about the case that was shown.
        await here.app.screen.run_action("choose('left')")
        await here.app.screen.run_action("skip")
        await answered(here, 1)
        assert [one["example"] for one in reviews(folder)] == [seen]


async def test_u_never_undoes_something_else_than_an_answer(folder: Path) -> None:
    await finished(folder)
    async with sitting(folder) as here:
        await here.press("8")
        await answered(here, 0)
        await here.press("left")
        await answered(here, 1)
        await here.press("u")
        await answered(here, 0)
        await here.press("u")
        await here.sees("No answer of this sitting is left to take back.")
