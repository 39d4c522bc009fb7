"""The person's own commit of prompt edits, and taking back the last thing that was done."""

from __future__ import annotations

from collections.abc import Sequence

import click

from promptlab.cli import completing as complete
from promptlab.cli.output import confirm, data, json_option, line, open_lab, say
from promptlab.cli.results import when
from promptlab.cli.text import spans_text
from promptlab.compare.values import DiffSpan
from promptlab.errors import CommitRefused, ExitCode, UsageFault
from promptlab.lab.committing import Proposal

CONTEXT = 3  # lines of a file that are shown before and after a change
_WORDS = {"new": "new", "deleted": "removed", "changed": "edited"}


@click.command("commit")
@click.argument("prompts", nargs=-1, metavar="[PROMPT|EVALSET|FILE]…", shell_complete=complete.subjects)
@click.option("-m", "--message", default="", metavar="MESSAGE", help="In place of the one that is proposed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def commit_command(ctx: click.Context, prompts: tuple[str, ...], message: str, yes: bool, as_json: bool) -> int:
    """Commit edited prompts, those named or all, as you would: with your hooks, signing and identity.

    An eval set, a file below evalsets/ or reviews/, and promptlab.toml are committed where they are named. The words
    that changed and a message are shown first. Only these files are committed; what else is staged stays staged. With
    --json and without --yes nothing is committed.
    """
    lab = open_lab(ctx)
    proposal = lab.proposal(prompts)
    text = message or proposal.message
    if not as_json:
        _show(proposal)
        text = text if yes else _asked(text, asked=bool(message))
    try:
        made = lab.commit(proposal, text) if yes or not as_json else None
    except CommitRefused as refused:
        say(refused.output)
        raise
    if as_json:
        data({"proposal": proposal, "message": text, "commit": made})
    elif made is not None:
        for note in made.notes:
            say(note)
        line(f"{made.commit[:8]} {made.title}")
    return ExitCode.DONE


def _show(proposal: Proposal) -> None:
    for each in proposal.edits:
        line(f"── {each.path} ({_WORDS.get(each.kind, each.kind)})")
        for field in each.fields:
            line(f"@@ {field.field}")
            spans = _near(field.spans) if field.field == "file" else field.spans
            click.echo(spans_text(spans).rstrip("\n"))
        if each.problem:
            say(f"It does not load: {each.problem}")
    for note in proposal.notes:
        say(note)


def _near(spans: Sequence[DiffSpan]) -> list[DiffSpan]:
    """A whole file's words, with long stretches that are the same cut to the lines next to a change."""
    shown: list[DiffSpan] = []
    for at, span in enumerate(spans):
        rows = span.text.split("\n")
        if span.op == "same" and len(rows) > 2 * CONTEXT + 1:
            before, after = rows[:CONTEXT] if at else [], rows[-CONTEXT:] if at + 1 < len(spans) else []
            rows = [*before, "…", *after]
        shown.append(DiffSpan(span.op, "\n".join(rows)))
    return shown


def _asked(text: str, *, asked: bool) -> str:
    """The message that a person agrees to, or types in place of the proposed one."""
    say("\nMessage:")
    say("\n".join(f"    {row}" for row in text.splitlines()))
    if asked:
        confirm("Commit this?", abort=True)
        return text
    answer: object = click.prompt(
        "Commit this? y, n, e to edit the message", default="n", show_default=False, err=True
    )
    if answer in ("y", "yes"):
        return text
    if answer not in ("e", "edit"):
        raise click.Abort
    edited = click.edit(text)
    if edited is None or not edited.strip():
        raise UsageFault("The message was not saved, so nothing is committed.")
    return edited


@click.command("undo")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def undo_command(ctx: click.Context, yes: bool, as_json: bool) -> int:
    """Undo the last thing that promptlab did in this workspace; once more for the one before.

    A saved run, a pinned number, a step of a stage, a commit made with `promptlab commit`, dropped runs, a file that
    the program wrote. What it will do is said first, and it is refused where something else was built on it.
    """
    lab = open_lab(ctx)
    last = lab.last_action()
    if last is None:
        say("promptlab has done nothing here that could be undone.")
        return ExitCode.DONE
    if last.refusal:
        raise UsageFault(f"Last, at {when(last.time)}: {last.done}. It cannot be undone. {last.refusal}")
    said = ""
    if not as_json:
        say(f"Last, at {when(last.time)}: {last.done}.")
        say(f"Undoing it: {last.effect}")
        if not yes:
            confirm("Undo it?", abort=True)
    if yes or not as_json:
        said = lab.undo(last)
    if as_json:
        data({"action": {"done": last.done, "time": last.time, "effect": last.effect}, "undone": said})
    else:
        line(said)
    return ExitCode.DONE
