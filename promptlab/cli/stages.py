"""Names for versions: tag, promote, demote, stages."""

from __future__ import annotations

import sys

import click

from promptlab.cli.completing import runs, stages, subjects
from promptlab.cli.output import data, json_option, line, open_lab, say, table
from promptlab.cli.results import tell_missing, when
from promptlab.errors import ExitCode
from promptlab.history.values import Mark
from promptlab.lab import Lab


@click.command("tag")
@click.argument("subject", shell_complete=subjects)
@click.argument("version", required=False, default="")
@json_option
@click.pass_context
def tag_command(ctx: click.Context, subject: str, version: str, as_json: bool) -> int:
    """Pin SUBJECT to its number, or to VERSION such as v4, by a git tag that never moves.

    A pinned number stays with its text on every branch and clone, also after a rebase or a squash.
    """
    mark = open_lab(ctx).tag(subject, version)
    _tell(mark, f"{mark.prompt}@v{mark.number} is {mark.content} for good", as_json)
    return ExitCode.DONE


@click.command("promote")
@click.argument("subject", shell_complete=subjects)
@click.argument("stage", shell_complete=stages)
@click.option("--run", default="", shell_complete=runs, help="The saved run that justifies it; asked for without.")
@json_option
@click.pass_context
def promote_command(ctx: click.Context, subject: str, stage: str, run: str, as_json: bool) -> int:
    """Put SUBJECT on STAGE, such as production, and record the run that justifies it.

    From then on NAME@STAGE names this version wherever a SUBJECT does. Every step stays in git as a tag.
    """
    lab = open_lab(ctx)
    mark = lab.promote(subject, stage, run or _asked(lab, subject))
    _tell(mark, f"{mark.prompt}@{stage} is {mark.content}, because of the run {mark.run}", as_json)
    return ExitCode.DONE


def _asked(lab: Lab, subject: str) -> str:
    """The run that a person at a terminal names; "" where nobody can be asked."""
    records = lab.records_of(lab.subject(subject))
    if not records or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return ""
    for record in records[:8]:
        say(f"{record.id}  {when(record.time)}  {record.title}")
    answer: object = click.prompt("Which run justifies it?", default=records[0].id, err=True)
    return str(answer)


@click.command("demote")
@click.argument("subject", shell_complete=subjects)
@click.argument("stage", shell_complete=stages)
@json_option
@click.pass_context
def demote_command(ctx: click.Context, subject: str, stage: str, as_json: bool) -> int:
    """Take the version of the prompt SUBJECT that is on STAGE off it. The tags that put it there stay."""
    mark = open_lab(ctx).demote(subject, stage)
    _tell(mark, f"Nothing is on {mark.prompt}@{stage} now; it was {mark.content}", as_json)
    return ExitCode.DONE


def _tell(mark: Mark, sentence: str, as_json: bool) -> None:
    if as_json:
        data({"mark": mark})
    else:
        line(f"{sentence}: {mark.tag}")


@click.command("stages")
@click.argument("subject", required=False, default="", shell_complete=subjects)
@click.option("--all", "every", is_flag=True, help="Every step, the oldest first, with pinned numbers.")
@json_option
@click.pass_context
def stages_command(ctx: click.Context, subject: str, every: bool, as_json: bool) -> int:
    """List what is on each stage, of the prompt SUBJECT or of all, with the run that justifies it."""
    lab = open_lab(ctx)
    name = lab.past_name_of(subject) if subject else ""
    if problem := lab.history_problem():
        say(problem)
    if every:
        return _steps(lab.marks(name), as_json)
    found = lab.stages(name)
    if as_json:
        data({"stages": found})
        return ExitCode.DONE
    rows = [
        (
            f"{stage.mark.prompt}@{stage.mark.stage}",
            stage.version,
            stage.mark.content,
            f"newest is {stage.newest}" if stage.newest not in ("", stage.version) else "",
            when(stage.mark.time),
            stage.mark.author,
            stage.mark.run,
            " ".join(f"{score.metric} {score.mean:.4g}" for score in stage.scores[:1]),
        )
        for stage in found
    ]
    if rows:
        table(("stage", "", "content", "", "since", "by", "run", "score"), rows)
    else:
        say("Nothing is on a stage. `promptlab promote SUBJECT production` puts a version on one.")
        tell_missing(lab)
    return ExitCode.DONE


def _steps(marks: list[Mark], as_json: bool) -> int:
    if as_json:
        data({"marks": marks})
    elif marks:
        table(
            ("tag", "content", "when", "by", "run"),
            [(mark.tag, mark.content, when(mark.time), mark.author, mark.run) for mark in marks],
        )
    else:
        say("No version has a name of its own yet.")
    return ExitCode.DONE
