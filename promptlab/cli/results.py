"""Looking at what there is: runs, versions, examples, differences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import click

from promptlab.cli.completing import runs, runs_and_subjects, subjects
from promptlab.cli.output import data, json_option, line, open_lab, say, table
from promptlab.cli.reviews import print_people
from promptlab.cli.text import (
    print_changes,
    print_comparison,
    print_confusion,
    print_parts,
    print_ranking,
    print_run,
    print_subject_diff,
)
from promptlab.cli.tracing import print_trace
from promptlab.errors import ExitCode, NotFound, UsageFault
from promptlab.lab import Lab, RunTable, wording
from promptlab.lab.agreeing import people_of
from promptlab.lab.listing import listed
from promptlab.lab.numbering import renumbered
from promptlab.lab.parts import Breakdown, Confusion, breakdown
from promptlab.lab.parts import confusion as confusion_of
from promptlab.lab.ranking import Changes, Ranking, changes_of, ranking_of
from promptlab.lab.report import ExampleReport, example_report, run_report
from promptlab.lab.values import PromptPast
from promptlab.models.values import NOT_STORED
from promptlab.scoring.values import MetricInfo
from promptlab.workspace.toml import did_you_mean


def when(time: int) -> str:
    """A moment in local time."""
    return datetime.fromtimestamp(time, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


@click.command("runs")
@click.argument("subject", required=False, default="", shell_complete=subjects)
@json_option
@click.pass_context
def runs_command(ctx: click.Context, subject: str, as_json: bool) -> int:
    """List past runs, newest first; only those of the prompt SUBJECT when it is given."""
    lab = open_lab(ctx)
    found = listed(lab, lab.name_of(subject) if subject else "")
    if as_json:
        data({"runs": found})
    elif found:
        table(("run", "when", "state", "title"), [(run.id, when(run.time), run.state, run.title) for run in found])
        if lost := next((run.id for run in found if run.state == "lost"), ""):
            say(f"Of a lost run git has the tag, and no commit: `promptlab show {lost}` says how to fetch it again.")
    else:
        say(f"There is no run {f'of {subject} ' if subject else ''}yet. `promptlab run PROMPT` makes one.")
        tell_missing(lab)
    return ExitCode.DONE


def tell_missing(lab: Lab) -> None:
    """Say how to get the runs of others, in a clone that may lack them."""
    if hint := lab.missing_hint():
        say(hint)


@click.command("log")
@click.argument("subject", required=False, shell_complete=subjects)
@json_option
@click.pass_context
def log_command(ctx: click.Context, subject: str | None, as_json: bool) -> int:
    """Versions of SUBJECT, newest first, with date, author, message and scores; of every prompt without it."""
    lab = open_lab(ctx)
    if problem := lab.history_problem():
        say(problem)
    if subject and "@" in subject:
        raise UsageFault(f"log lists all versions of a prompt: leave out the @ of “{subject}”.")
    pasts = [_past_of(lab, subject)] if subject else list(lab.pasts(row.name for row in lab.prompts()))
    if as_json:
        data({"prompts": pasts})
        return ExitCode.DONE
    for past in pasts:
        info = lab.metric_info(past.metric, lab.runs_of(past.name)) if past.metric else None
        trend = f"  {wording.spark(past.trend)}  {past.basis}" if past.metric else ""
        line(f"{past.name}{trend}{'' if past.current else '  (its file is gone)'}")
        if past.versions:
            head = ("", "content", "commit", "when", "author", past.metric or "score", "message")
            table(head, _log_rows(past, info), right=frozenset({5}))
        elif not problem:
            line("  no version is committed yet")
    return ExitCode.DONE


def _past_of(lab: Lab, subject: str) -> PromptPast:
    """The past of a prompt, also of one whose file is gone."""
    past = lab.past(lab.past_name_of(subject))
    if not past.versions:
        lab.name_of(subject)  # a name that is none is the better sentence
    return past


def _log_rows(past: PromptPast, info: MetricInfo | None) -> list[Sequence[str]]:
    """Versions newest first, an edited working copy on top."""
    mean = wording.known(past.means.get(past.working), info)
    edited = ("*", past.working or "invalid", "", "", "", mean, past.edited)
    return [
        *([edited] if past.current == "*" else []),
        *(
            (
                version.label if version.number else "–",
                version.content or "invalid",
                version.commit[:8],
                when(version.time),
                version.author,
                wording.known(mean, info),
                version.error or version.subject,
            )
            for version, mean in zip(reversed(past.versions), reversed(past.trend), strict=True)
        ),
    ]


@click.command("show")
@click.argument("what", metavar="RUN|SUBJECT", shell_complete=runs_and_subjects)
@click.option("--example", metavar="ID", help="One example of the run, all columns.")
@click.option("--by", type=click.Choice(["tag", "group", "split"]), help="The metric on each part of the examples.")
@click.option("--metric", default="", metavar="METRIC", help="Which one, with --by, --pairs or --changes.")
@click.option("--pairs", is_flag=True, help="Every column against every other, and their order.")
@click.option("--changes", is_flag=True, help="Examples by how far a column is from its baseline, most first.")
@click.option("--confusion", is_flag=True, help="Which label was answered where which was right.")
@json_option
@click.pass_context
def show_command(
    ctx: click.Context,
    what: str,
    example: str | None,
    by: Literal["tag", "group", "split"] | None,
    metric: str,
    pairs: bool,
    changes: bool,
    confusion: bool,
    as_json: bool,
) -> int:
    """Show a run, one of its examples, its parts, or the text of a version of a prompt."""
    lab = open_lab(ctx)
    views = sum((example is not None, by is not None, pairs, changes, confusion))
    if views > 1:
        raise UsageFault("--example, --by, --pairs, --changes and --confusion are different views: give one of them.")
    if metric and by is None and not pairs and not changes:
        raise UsageFault("--metric goes with --by, --pairs or --changes.")
    if not views and ("@" in what or lab.is_subject(what)):
        return _show_subject(lab, what, as_json)
    run = lab.open_run(what)
    if example is not None:
        return _show_example(run, example, as_json)
    if by is not None:
        return _show_parts(breakdown(run, by, metric), run, as_json)
    if pairs:
        return _show_ranking(ranking_of(run, metric), run, as_json)
    if changes:
        return _show_changes(changes_of(run, metric), run, as_json)
    if confusion:
        return _show_confusion([confusion_of(run, variant.column) for variant in run.variants], as_json)
    if as_json:
        data({"run": run_report(run)})
    else:
        print_run(run)
        for note in renumbered(lab, run):
            line(note)
        print_people(run, people_of(lab, run))
    return ExitCode.DONE


def _show_subject(lab: Lab, what: str, as_json: bool) -> int:
    subject = lab.subject(what)
    text = subject.data.decode("utf-8")
    if as_json:
        prompt = subject.prompt
        data({"subject": {"name": prompt.name, "version": subject.version, "content": prompt.content, "text": text}})
    else:
        say(f"{subject.prompt.name} {subject.version} {subject.prompt.content}")
        line(text.rstrip("\n"))
    return ExitCode.DONE


def _show_parts(parts: Breakdown, run: RunTable, as_json: bool) -> int:
    if as_json:
        data({"breakdown": parts})
    else:
        print_parts(parts, run)
    return ExitCode.DONE


def _show_ranking(ranking: Ranking, run: RunTable, as_json: bool) -> int:
    if as_json:
        data({"ranking": ranking})
    else:
        print_ranking(ranking, run)
    return ExitCode.DONE


def _show_changes(changes: Changes, run: RunTable, as_json: bool) -> int:
    if as_json:
        data({"changes": changes})
    else:
        print_changes(changes, run)
    return ExitCode.DONE


def _show_confusion(found: list[Confusion], as_json: bool) -> int:
    if as_json:
        data({"confusion": found})
    else:
        for confusion in found:
            print_confusion(confusion)
    return ExitCode.DONE


def _show_example(run: RunTable, example: str, as_json: bool) -> int:
    if example not in {each.id for each in run.examples}:
        near = did_you_mean(example, [each.id for each in run.examples])
        raise NotFound(f"The run {run.run} has no example “{example}”. {near}".rstrip())
    report = example_report(run, example)
    if as_json:
        data({"example": report})
    else:
        _print_example(report)
    return ExitCode.DONE


def _print_example(report: ExampleReport) -> None:
    line(f"example {report.example}  {' '.join(f'[{tag}]' for tag in report.tags)}".rstrip())
    for name, value in report.vars.items():
        line(f"{name} = {value}")
    if report.expected is not None:
        line(f"expected = {report.expected}")
    for cell in report.cells:
        trial = f" · trial {cell.trial + 1}" if cell.trial else ""
        cached = " · cached" if cell.cached else ""
        line(f"── {cell.column} {cell.label}{trial} · {wording.seconds(cell.latency)}{cached}")
        line(f"! {cell.fault}" if cell.fault else cell.text if cell.stored else NOT_STORED)
        if cell.trace is not None:
            print_trace(cell.trace)
        for metric, value in cell.scores.items():
            said = f"{value:g}" if value is not None else f"missing: {cell.missing[metric]}"
            line(f"   {metric} {said}{f' · {detail}' if (detail := cell.details.get(metric)) else ''}")
            for reply in cell.replies.get(metric, ()):
                line(f"     {wording.said(reply)}")


@click.command("compare")
@click.argument("before", metavar="RUN[:COLUMN]", shell_complete=runs)
@click.argument("after", metavar="RUN[:COLUMN]", shell_complete=runs)
@json_option
@click.pass_context
def compare_command(ctx: click.Context, before: str, after: str, as_json: bool) -> int:
    """Compare two columns of stored runs: scores, verdict, examples that changed. The first is the baseline."""
    lab = open_lab(ctx)
    comparison = lab.compare(before, after)
    if as_json:
        data({"comparison": comparison})
    else:
        print_comparison(comparison, lab.open_run(before.partition(":")[0]))
    return ExitCode.DONE


@click.command("diff")
@click.argument("before", metavar="SUBJECT", shell_complete=subjects)
@click.argument("after", metavar="SUBJECT", shell_complete=subjects)
@json_option
@click.pass_context
def diff_command(ctx: click.Context, before: str, after: str, as_json: bool) -> int:
    """Words that changed in the prompt between two versions, and in stored outputs where runs have both."""
    diff = open_lab(ctx).diff(before, after)
    if as_json:
        parts = {"fields": diff.fields, "outputs": diff.outputs, "verdicts": diff.verdicts}
        data({"diff": {"before": before, "after": after, **parts}})
    else:
        print_subject_diff(diff)
    return ExitCode.DONE
