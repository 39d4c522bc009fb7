"""What people said of answers."""

from __future__ import annotations

import math
from pathlib import Path

import click

from promptlab.cli import completing as complete
from promptlab.cli.output import data, json_option, line, open_lab, say, table
from promptlab.errors import ExitCode, NotFound, StorageFault, UsageFault
from promptlab.lab import Lab, RunTable, wording
from promptlab.lab.agreeing import People, people_of
from promptlab.lab.doccano import SHAPES, Shape, export, read
from promptlab.lab.responding import responses
from promptlab.lab.reviewing import Task, add, reviewer, reviews_of, take_back, take_in
from promptlab.workspace.reviews import Review, file_of

shape_option = click.option(
    "--shape", type=click.Choice(SHAPES), default="classification", show_default=True, help="The JSONL of doccano."
)
by_option = click.option("--by", default="", metavar="NAME", help="Who says it; default: git's user.name.")


@click.command("review")
@click.argument("run", shell_complete=complete.runs)
@click.option("--example", metavar="ID", help="The example whose answer is reviewed.")
@click.option("--column", default="", metavar="LETTER", help="Its column; default: the run's candidate.")
@click.option("--thumb", type=click.Choice(["up", "down"]), help="Right or wrong.")
@click.option("--grade", type=float, metavar="NUMBER", help="A grade, on the scale of the judge.")
@click.option("--correct", metavar="TEXT", help="What the answer should have been.")
@click.option("--note", metavar="TEXT", help="Anything worth remembering.")
@click.option("--undo", is_flag=True, help="Take your last review back.")
@by_option
@json_option
@click.pass_context
def review_command(
    ctx: click.Context,
    run: str,
    example: str | None,
    column: str,
    thumb: str | None,
    grade: float | None,
    correct: str | None,
    note: str | None,
    undo: bool,
    by: str,
    as_json: bool,
) -> int:
    """Show what people said of the answers of RUN and how far its judges agree; with --example, say something.

    Reviews are lines of reviews/EVALSET.jsonl. The Review screen asks for them one by one, blind and shuffled.
    """
    lab = open_lab(ctx)
    found, by = lab.open_run(run), by or reviewer(lab)
    said = [value for value in (thumb, grade, correct, note) if value is not None]
    _sayable(grade, correct, note)
    if undo and (said or example is not None):
        raise UsageFault("--undo takes your last review back, whatever it is of: give it alone.")
    if undo:
        _undo(lab, found, by)
    elif example is not None:
        if not said:
            raise UsageFault("Say something of the example: --thumb up, --grade 4, --correct TEXT or --note TEXT.")
        task = _task(found, example, column or found.candidate)
        reviews = [
            *([task.review("thumb", by, float(thumb == "up"))] if thumb else []),
            *([task.review("grade", by, grade)] if grade is not None else []),
            *([task.review("correction", by, text=correct)] if correct is not None else []),
            *([task.review("note", by, text=note)] if note is not None else []),
        ]
        add(lab, found.evalset, reviews)
        say(f"{wording.plural(len(reviews), 'review')} written to {file_of(found.evalset)}.")
    elif said:
        raise UsageFault("Say which answer it is of: --example ID.")
    _show(lab, found, as_json)
    return ExitCode.DONE


def _sayable(grade: float | None, *texts: str | None) -> None:
    """Refuse what would say nothing."""
    if grade is not None and not math.isfinite(grade):
        raise UsageFault(f"--grade {grade:g} is no grade: give a number.")
    if any(text is not None and not text.strip() for text in texts):
        raise UsageFault("--correct and --note need a text.")


def _undo(lab: Lab, found: RunTable, by: str) -> None:
    mine = [one for one in reviews_of(lab, found.evalset) if one.by == by]
    if not mine:
        raise NotFound(f"There is no review by {by} in {file_of(found.evalset)}.")
    last = max(mine, key=lambda one: one.at)
    take_back(lab, found.evalset, last, by)
    say(f"Taken back: the {last.kind} on {last.example}.")


def _task(found: RunTable, example: str, column: str) -> Task:
    if example not in {one.id for one in found.examples}:
        raise NotFound(f"The run {found.run} has no example “{example}”.")
    if column not in {variant.column for variant in found.variants}:
        raise NotFound(f"The run {found.run} has no column “{column}”.")
    outcome = found.outcome(column, example)
    if outcome is None or outcome.fault is not None:
        raise NotFound(f"Column {column} has no answer to {example}: there is nothing to review.")
    return Task(found.example(example), outcome.text)


def _show(lab: Lab, found: RunTable, as_json: bool) -> None:
    reviews, agreed = reviews_of(lab, found.evalset), people_of(lab, found)
    rates = responses(found, reviews)
    if as_json:
        data({"reviews": reviews, "responses": rates, "people": agreed})
        return
    counts: dict[tuple[str, str], int] = {}
    for review in reviews:
        counts[review.by, review.kind] = counts.get((review.by, review.kind), 0) + 1
    if not counts:
        line(f"Nobody has reviewed answers to {found.evalset} yet. Key 8 of the program asks, blind and shuffled.")
        return
    table(("by", "kind", "reviews"), [(*who, str(n)) for who, n in sorted(counts.items())], right=frozenset({2}))
    for rate in rates:
        line(rate.sentence)
    _remarks(found, reviews)
    print_people(found, agreed)


def _remarks(found: RunTable, reviews: list[Review]) -> None:
    ids = {example.id for example in found.examples}
    for review in reviews:
        if review.text and review.example in ids:
            line(f"{review.example}: {review.kind} by {review.by}: {review.text}")


def print_people(found: RunTable, agreed: list[People]) -> None:
    """How far judges agree with people, and their means corrected by what people said."""
    for one in agreed:
        line(one.sentence)
        for column, mean in one.corrected.items():
            line(f"  {column} corrected by people: {wording.mean(mean, found.infos[one.metric])} ({mean.method})")


@click.group("reviews")
def reviews_command() -> None:
    """Import and export what people said, as the JSONL of doccano."""


@reviews_command.command("export")
@click.argument("run", shell_complete=complete.runs)
@shape_option
@click.pass_context
def export_command(ctx: click.Context, run: str, shape: Shape) -> int:
    """Print every answer of RUN as a line, with the labels that people gave it so far."""
    lab = open_lab(ctx)
    found = lab.open_run(run)
    click.echo(export(found, shape, reviews_of(lab, found.evalset)), nl=False)
    return ExitCode.DONE


@reviews_command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("run", shell_complete=complete.runs)
@shape_option
@by_option
@json_option
@click.pass_context
def import_command(ctx: click.Context, file: Path, run: str, shape: Shape, by: str, as_json: bool) -> int:
    """Take the labels of FILE, of answers of RUN, into its eval set's reviews. A wrong line stops all of it.

    What is there already is not written again.
    """
    lab = open_lab(ctx)
    try:
        content = file.read_bytes()
    except OSError as fault:
        raise StorageFault(f"{file} cannot be read: {fault.strerror}.") from None
    found = lab.open_run(run)
    labels = read(content, str(file), shape, found, by or reviewer(lab))
    written = take_in(lab, found.evalset, labels)
    known = len(labels) - written
    if as_json:
        data({"file": file_of(found.evalset), "written": written, "known": known})
        return ExitCode.DONE
    there = f" {wording.plural(known, 'label')} of the file {'was' if known == 1 else 'were'} there already." * (
        known > 0
    )
    line(f"{wording.plural(written, 'review')} written to {file_of(found.evalset)}.{there}")
    return ExitCode.DONE
