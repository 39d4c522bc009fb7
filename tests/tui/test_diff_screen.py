"""The Diff screen on a real repository, with runs that a real endpoint on the loopback address answers."""

from __future__ import annotations

from pathlib import Path

import places
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from tui.runs_made import finished
from tui.sitting import NORMAL, SMALL, WIDE, Sitting, sitting

from promptlab.compare.values import DiffSpan, ExampleDelta, Verdict
from promptlab.compare.words import word_diff
from promptlab.lab.values import FieldDiff, OutputDiff, PromptPast, RunRequest, Subject, SubjectDiff
from promptlab.scoring.values import Score
from promptlab.tui.screens.diff import NO_OUTPUTS, DiffScreen, lone
from promptlab.tui.screens.diff_fields import SAME, cut_lines, fold, inline_pieces, show_blanks, split_pieces
from promptlab.tui.screens.diff_rows import changes_of, counts, output_pieces
from promptlab.workspace.values import Message, Prompt

EDITED = places.SECOND.replace("Label this", "Label it")


def diff(here: Sitting) -> DiffScreen:
    screen = here.app.screen
    assert isinstance(screen, DiffScreen)
    return screen


async def shown(here: Sitting, words: str) -> None:
    """Diff is open and shows these words."""
    await here.until(lambda: here.app.session.prompt)
    await here.press("4")
    await here.sees(words)
    await here.until(lambda: here.app.screen.focused)


def edit(folder: Path, text: str = EDITED) -> None:
    (folder / "prompts" / "triage.toml").write_text(text)


def joined(fields: tuple[FieldDiff, ...]) -> str:
    return "".join(piece.text for piece in inline_pieces(fields))


# -- the text of a diff ---------------------------------------------------------------------------------------

lines = st.text(alphabet="ab 漢\n", max_size=60)


@given(lines, lines)
def test_cutting_into_lines_loses_nothing(before: str, after: str) -> None:
    cut = cut_lines(word_diff(before, after))
    for text, other in ((before, "added"), (after, "removed")):
        back = "\n".join("".join(span.text for span in line if span.op != other) for line in cut)
        assert back in (text, text.removesuffix("\n"))


@given(st.lists(st.booleans(), max_size=60))
def test_folding_hides_only_what_is_the_same_and_says_how_much(changes: list[bool]) -> None:
    cut = [(DiffSpan("added" if changed else "same", "x"),) for changed in changes]
    parts = list(fold(cut))
    assert sum(part if isinstance(part, int) else 1 for part in parts) == len(cut)
    assert sum(not isinstance(part, int) and part[0].op == "added" for part in parts) == sum(changes)


@given(lines, lines, st.integers(40, 90))
def test_a_split_fits_and_keeps_its_middle(before: str, after: str, width: int) -> None:
    pieces = split_pieces((FieldDiff("messages[0].content", word_diff(before, after)),), width)
    for line in "".join(piece.text for piece in pieces).splitlines():
        assert cell_len(line) <= width
        if " │ " in line:
            assert cell_len(line[: line.index(" │ ")]) == (width - 3) // 2


def test_blanks_that_changed_are_visible() -> None:
    assert show_blanks("two words") == "two words"
    assert show_blanks(" a  b\t\u00a0") == "·a··b⇥⍽"
    assert show_blanks("a \r\n") == "a·␍⏎"
    fields = (FieldDiff("messages[0].content", word_diff("one two\nend", "one  two \nend\n")),)
    assert joined(fields) == "@@ messages[0].content\n± one[-·-]{+··+}two{+·+}\n+ end{+⏎+}\n"


def test_each_line_of_a_change_has_its_own_sign_and_marks() -> None:
    fields = (FieldDiff("f", (DiffSpan("removed", "a\nb\n"), DiffSpan("added", "c\n"), DiffSpan("same", "d"))),)
    assert joined(fields) == "@@ f\n- [-a⏎-]\n- [-b⏎-]\n+ {+c⏎+}\n  d\n"


def test_long_stretches_without_a_change_are_folded() -> None:
    before = "".join(f"line {n}\n" for n in range(20))
    fields = (FieldDiff("f", word_diff(before, before + "more")),)
    assert "··· 17 lines the same\n" in joined(fields)
    assert "··· 17 lines the same" in "".join(piece.text for piece in split_pieces(fields, 80))
    assert joined(()) == SAME
    assert "".join(piece.text for piece in split_pieces((), 80)) == SAME


# -- rows -----------------------------------------------------------------------------------------------------


def subject(version: str) -> Subject:
    prompt = Prompt(name="p", source="prompts/p.toml", content="0" * 12, messages=(Message("user", "x"),))
    return Subject(asked=f"p@{version}", prompt=prompt, version=version, data=b"", source="prompts/p.toml")


def verdict(*deltas: ExampleDelta) -> Verdict:
    return Verdict(
        status="INCONCLUSIVE",
        metric="grade",
        effect=0.0,
        low=0.0,
        high=0.0,
        alpha=0.05,
        p=1.0,
        n=3,
        better=1,
        worse=1,
        same=1,
        mde=None,
        needed=None,
        method="t",
        sentence="INCONCLUSIVE: nobody knows.",
        deltas=deltas,
    )


def test_the_largest_change_comes_first_and_a_missing_score_is_no_zero() -> None:
    deltas = (
        ExampleDelta("same", 1.0, 1.0, 0.0),
        ExampleDelta("gone", 1.0, None, None),
        ExampleDelta("worse", 3.0, 1.5, -1.5),
        ExampleDelta("better", 1.0, 1.25, 0.25),
    )
    both = SubjectDiff(subject("v1"), subject("v2"), (), (), (("m", verdict(*deltas)),))
    rows = changes_of(both, "m")
    assert [(row.mark, row.example, row.delta) for row in rows] == [
        ("▼", "worse", -1.5),
        ("▲", "better", 0.25),
        ("?", "gone", None),
        ("=", "same", 0.0),
    ]
    assert counts(both.verdicts[0][1], rows) == "▲ 1 better  ▼ 1 worse  = 1 same  ? 1 without a score"
    assert "Results says why" in "".join(p.text for p in output_pieces(rows[2], None, "v1", "v2"))
    assert "answered the same" in "".join(p.text for p in output_pieces(rows[3], both.verdicts[0][1], "v1", "v2"))


def test_outputs_without_a_verdict_are_still_shown() -> None:
    scores = (Score("tone", 1.0, detail="kind"), Score("size", missing="no reference"))
    output = OutputDiff("t1", "m", word_diff("a b", "a c"), scores, scores[:1])
    both = SubjectDiff(subject("v1"), subject("v2"), (), (output,))
    rows = changes_of(both, "m")
    assert counts(None, rows) == "1 output with other words"
    text = "".join(p.text for p in output_pieces(rows[0], None, "v1", "v2"))
    assert "tone 1 → 1\n    v1: kind\n" in text
    assert "size missing: no reference → –\n" in text
    assert "± a [-b-]{+c+}" in text


# -- the screen -----------------------------------------------------------------------------------------------


async def test_the_last_two_versions_are_shown_side_by_side_and_r_runs_both(folder: Path) -> None:
    async with sitting(folder) as here:
        await shown(here, "triage  v1 → v2")
        await here.sees("@@ messages[0].content")
        assert "│ + {+Label this as billing, shipping or other:" in here.text
        await here.press("s")
        assert (
            "[-What is this about? {{ ticket }}-]{+Label this as billing, shipping or other: {{ ticket }}+}"
            in here.text
        )
        await here.press("s")
        assert " │ + " in here.text
        await here.sees(NO_OUTPUTS)
        await here.press("m")
        assert here.status == NO_OUTPUTS
        await here.press("r")
        await here.sees("16 answers, against triage@v1")
        await here.press("enter")
        await here.until(lambda: here.status.startswith("done: 16/16 answers"))
        assert here.app.current_mode == "results"
        # Not saved yet, and compared all the same.
        await shown(here, "▲ 8 better")
        await here.press("m")
        assert here.status == "Only one model has run both versions."


async def test_a_text_that_is_not_saved_is_not_what_is_compared(folder: Path) -> None:
    edit(folder)
    async with sitting(folder, SMALL) as here:
        await here.until(lambda: here.app.session.prompt)
        await here.press("e", "x")
        await here.until(lambda: here.app.session.unsaved)
        await here.press("escape")
        await shown(here, "on disk; the editor has unsaved text · pair 2/2")
        await here.press("left_square_bracket")
        await here.sees(" the editor has unsaved text · pair 1/2")


async def test_brackets_step_through_the_pairs_of_which_an_edited_working_copy_is_the_newest(folder: Path) -> None:
    edit(folder)
    async with sitting(folder) as here:
        await shown(here, "pair 2/2")
        await here.press("right_square_bracket")
        assert here.status == "This is the newest pair."
        await here.press("left_square_bracket")
        await here.sees("pair 1/2")
        await here.press("left_square_bracket")
        assert here.status == "This is the oldest pair."
        await here.press("right_square_bracket")
        await here.sees("triage  v2 → working copy")
        await here.sees("+ Label {+it+} as")
        edit(folder, places.SECOND)
        await here.sees("triage  v1 → v2")


async def test_m_shows_the_next_model(folder: Path) -> None:
    settings = folder / "promptlab.toml"
    entry = settings.read_text().partition("[models.nano]")[0].replace("[models.api]", "[models.two]")
    settings.write_text(settings.read_text() + entry.replace("scripted", "other"))
    subjects = ("triage@v1", "triage@v2")
    await finished(folder, RunRequest(subjects=subjects, models=("api", "two"), baseline="triage@v1"))
    async with sitting(folder) as here:
        await shown(here, "exact on api  1/2")
        await here.press("m")
        await here.sees("exact on two  2/2")
        await here.sees("two  BETTER")
        await here.press("m")
        await here.sees("exact on api  1/2")


async def test_hostile_text_is_shown_and_not_obeyed(folder: Path, server) -> None:
    server.reply = lambda text: "\x1b[2J[bold red]\u202eevil[/]" + text[-3:]
    edit(folder, places.SECOND.replace("Label this", r"\u001b]0;x\u0007[reverse]Label \u202e this"))
    await finished(folder, RunRequest(subjects=("triage@v2", "triage"), baseline="triage@v2"))
    async with sitting(folder) as here:
        await shown(here, "␛]0;x␇[reverse]")
        await here.press("tab", "tab")
        await here.sees("Both versions answered the same")
        assert "\x1b" not in here.text
        assert "\u202e" not in here.text


async def test_scores_and_outputs_of_a_stored_run_stand_beside_it_at_every_size(folder: Path) -> None:
    await finished(folder)
    async with sitting(folder) as here:
        await shown(here, "▲ 8 better  ▼ 0 worse  = 0 same")
        async for size in here.sizes(WIDE, NORMAL, SMALL, WIDE):
            await here.sees("8 better")
            await here.until(lambda size=size: (" │ + " in here.text) == (size == WIDE))
            assert len(list(here.app.screen.walk_children())) < 150
            assert all(cell_len(line) <= size[0] for line in here.lines)
            assert "? help" in here.lines[-1]
            if size[0] < 100:
                await here.press("s")
                assert here.status == "Side by side needs 100 columns."
            await here.press("tab")
            await here.sees("▲ t1")
            await here.press("tab")
            await here.sees("▲ exact 0 → 1")
            await here.press("shift+tab", "shift+tab")

        # The scores and the outputs of the stored run.
        await here.sees("api  BETTER: exact is 100.0 points higher")
        assert "exact on api" in here.text
        await here.press("tab")
        assert diff(here).scores.has_focus
        await here.press("j")
        await here.sees("output t2  v1 → v2")
        assert "▲ exact 0 → 1" in here.text
        assert "- [-It is about·-]shipping[-.-]" in here.text
        await here.press("enter")
        assert diff(here).output.has_focus

        # A small terminal shows one pane at a time.
        await here.pilot.resize_terminal(*SMALL)
        for pane in ("output", "fields", "scores", "output"):
            await here.until(lambda pane=pane: here.app.focused is not None and here.app.focused.id == pane)
            await here.until(lambda: sum(line.startswith(("╭", "┏")) for line in here.lines) == 1)
            assert diff(here).query_one(f"#{pane}").region.height >= 9
            await here.press("tab")


async def test_p_chooses_another_prompt(folder: Path) -> None:
    (folder / "prompts" / "reply.toml").write_text(places.FIRST)
    async with sitting(folder) as here:
        await shown(here, "No version of reply is committed yet.")
        await here.press("p")
        await here.sees("Show the past of")
        await here.press("escape", "p")
        await here.sees("Show the past of")
        await here.press("down", "enter")
        await here.sees("triage  v1 → v2")
        await here.press("z")
        assert "output" not in here.text
        await here.press("q")
        await here.sees("output")


async def test_a_working_copy_that_does_not_load_is_a_sentence(folder: Path) -> None:
    edit(folder, "messages = 3\n")
    async with sitting(folder) as here:
        await shown(here, "prompts/triage.toml")
        await here.sees("messages")
        await here.press("r", "m", "left_square_bracket")
        await here.sees("triage  v1 → v2")


async def test_no_git_no_commit_no_prompt_say_what_to_do(tmp_path: Path) -> None:
    plain = places.workspace(tmp_path / "plain")
    (plain / ".git").rename(tmp_path / "elsewhere")
    async with sitting(plain) as here:
        await shown(here, "is not in a git repository")
    for path in (plain / "prompts").iterdir():
        path.unlink()
    async with sitting(plain) as here:
        await here.sees("No prompt yet")
        await here.press("4")
        await here.sees("No prompt yet: press 1, then n, to create one.")
        await here.press("p", "r", "right_square_bracket")


def test_one_text_is_no_pair() -> None:
    past = PromptPast(name="p", versions=(), current="*", trend=(), metric="")
    assert lone(past, "").startswith("No version of p is committed yet. c commits it")
    assert lone(past, "no git") == "no git"
