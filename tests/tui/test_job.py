"""A run that is going on, as a screen sees it."""

from __future__ import annotations

from pathlib import Path

from promptlab.lab import Lab
from promptlab.lab.values import CellScored, RunRequest
from promptlab.models.values import Outcome, Usage
from promptlab.runs.values import CellText, Ended, Progress, StepProgress
from promptlab.tui.job import Job
from promptlab.tui.screens.detail import detail_pieces
from promptlab.tui.screens.trial import trial_pieces


async def test_a_text_is_shown_while_it_is_written_and_gives_way_to_the_answer(folder: Path) -> None:
    lab = Lab.open(folder)
    try:
        job = Job(lab, lab.plan(RunRequest(("triage",), trials=1)), scratch=True)
        example = job.table.examples[0].id

        def shown() -> str:
            return "".join(piece.text for piece in trial_pieces(job))

        for so_far in ("bi", "billi"):
            job._take(CellText("a", example, 0, so_far))
            assert f"a   {so_far}…" in shown()
        assert job.heard == 2
        event = CellScored("a", example, 0, Outcome("k", "shipping"), ())
        job.table.add(event)
        job._take(event)
        assert "billi" not in shown().replace("billing", "")
        assert "shipping\n" in shown()
        job._take(Progress(total=8, done=1, rate=2.0, token_rate=1234.5))
        assert job.line.endswith("1/8 · 2/s · 1,234 tokens/s")
        job._take(CellText("a", job.table.examples[1].id, 0, "Hel", "draft"))
        assert "a   draft: Hel…\n" in shown()
        job._take(Progress(total=8, steps=(StepProgress("draft", 3, 8), StepProgress("vote", 0, 24))))
        assert job.line.endswith("0/8 · draft 3/8 · vote 0/24")
    finally:
        await lab.close()


async def test_the_detail_of_a_cell_shows_what_is_being_written(folder: Path) -> None:
    lab = Lab.open(folder)
    table = lab.table(lab.plan(RunRequest(("triage",), trials=2)))
    example = table.examples[0].id
    pieces = detail_pieces(table, "a", example, diff=True, written={1: "It is [about]"})
    shown = "".join(piece.text for piece in pieces)
    assert "── output 1 of 2 ──\nnot there yet\n── output 2 of 2 ──\nIt is [about]▌\n" in shown
    pieces = detail_pieces(table, "a", example, diff=True, written={0: "x" * 7000})
    shown = "".join(piece.text for piece in pieces)
    assert f"… 1,000 characters before this …\n{'x' * 6000}▌\n" in shown
    await lab.close()


async def test_the_detail_of_a_cell_shows_what_the_model_thought(folder: Path) -> None:
    lab = Lab.open(folder)
    table = lab.table(lab.plan(RunRequest(("triage",), trials=1)))
    example = table.examples[0].id
    told = Outcome(
        "k", "billing", usage=Usage(prompt=9, completion=40, reasoning=38), reasoning="It [is]\nabout money.\n"
    )
    table.add(CellScored("a", example, 0, told, ()))
    shown = "".join(piece.text for piece in detail_pieces(table, "a", example, diff=True))
    assert "\n── reasoning ──\nIt [is]\nabout money.\n\n── figures ──\n" in shown
    assert "\n9 tokens in, 40 out (38 of them reasoning), ended by stop\n" in shown
    await lab.close()


async def test_a_long_answer_without_a_word_in_common_stands_alone(folder: Path) -> None:
    lab = Lab.open(folder)
    table = lab.table(lab.plan(RunRequest(("triage@v1", "triage"), trials=1)))
    example = table.examples[0].id
    table.add(CellScored("a", example, 0, Outcome("k", "A" * 2000), ()))
    table.add(CellScored("b", example, 0, Outcome("l", "billing"), ()))
    shown = "".join(piece.text for piece in detail_pieces(table, "b", example, diff=True))
    assert f"── output ── other words than a {table.variant('a').label}\nbilling\n" in shown
    await lab.close()


async def test_what_is_said_at_the_end_has_one_full_stop_or_its_question_mark_and_what_failed_once(
    folder: Path,
) -> None:
    lab = Lab.open(folder)
    job = Job(lab, lab.plan(RunRequest(("triage",), trials=1)), scratch=True)
    for reason, end in (("Is the server running?", ". Is the server running?"), ("It is not.", ". It is not.")):
        job._take(Ended("r", "partial", Progress(total=8, done=8), reason))
        assert job.result.endswith(end)
    for reason, end in (("", ", 2 failed"), ("2 of 8 cells failed: no.", ". 2 of 8 cells failed: no.")):
        job._take(Ended("r", "complete", Progress(total=8, done=8, failed=2), reason))
        assert job.result.endswith(end)
        assert job.result.count("failed") == 1
    await lab.close()
