"""Runs and names of versions to and from a remote, and old runs away: push, pull, setup, prune."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from promptlab.cli.completing import subjects
from promptlab.cli.output import confirm, data, json_option, line, open_lab, say, table
from promptlab.cli.results import when
from promptlab.errors import ExitCode, UsageFault
from promptlab.history.values import Shared
from promptlab.lab.wording import plural

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab


@click.command("push")
@click.argument("remote", required=False, default="")
@json_option
@click.pass_context
def push_command(ctx: click.Context, remote: str, as_json: bool) -> int:
    """Send the runs, pinned numbers and stages that REMOTE lacks, after a pull. No branch is pushed.

    The commits that a run stands on go along. Where somebody took the same number of a stage first, yours gets the
    next one.
    """
    return _tell(open_lab(ctx).push(remote), as_json)


@click.command("pull")
@click.argument("remote", required=False, default="")
@json_option
@click.pass_context
def pull_command(ctx: click.Context, remote: str, as_json: bool) -> int:
    """Fetch the runs, pinned numbers and stages of REMOTE that are not here yet. No branch is touched."""
    return _tell(open_lab(ctx).pull(remote), as_json)


def _tell(shared: Shared, as_json: bool) -> int:
    if as_json:
        data({"shared": shared})
        return ExitCode.DONE
    for tag in shared.got:
        line(f"from {shared.remote}  {tag}")
    for tag in shared.sent:
        line(f"to {shared.remote}  {tag}")
    for old, new in shared.renumbered:
        say(f"{shared.remote} has another {old}: yours is {new} now.")
    for tag in shared.kept:
        say(f"{tag} is another one here than on {shared.remote}: both are left as they are.")
    if shared.commits:
        say(f"{plural(shared.commits, 'commit')} that no branch of {shared.remote} has went along.")
    if not shared.got and not shared.sent:
        say(f"{shared.remote} and this clone have the same runs, numbers and stages.")
    return ExitCode.DONE


@click.command("setup")
@click.argument("remote", required=False, default="")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def setup_command(ctx: click.Context, remote: str, yes: bool) -> int:
    """Let a plain `git fetch` of REMOTE bring runs too, by one line in this clone's git configuration."""
    lab = open_lab(ctx)
    key, value = lab.fetch_setting(remote)
    if not value:
        say("Nothing to do: `git fetch` brings runs here already.")
        return ExitCode.DONE
    say("This adds one line to the git configuration of this clone (.git/config):")
    say(f"    {key} = {value}")
    say(f"`git config --unset {key} refs/promptlab/` takes it away. Stages and pinned numbers need `promptlab pull`.")
    if yes or confirm("Add it?"):
        lab.set_up_fetch(remote)
        say("Added.")
    return ExitCode.DONE


@click.command("prune")
@click.argument("subject", required=False, default="", shell_complete=subjects)
@click.option("--keep", type=click.IntRange(0), metavar="N", help="Keep the newest N runs of each prompt.")
@click.option("--older", type=click.IntRange(0), metavar="DAYS", help="Drop only runs older than DAYS.")
@click.option("--undone", is_flag=True, help="Not runs, but the tags that undoing kept.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def prune_command(
    ctx: click.Context, subject: str, keep: int | None, older: int | None, undone: bool, yes: bool, as_json: bool
) -> int:
    """Drop old saved runs of this clone, of the prompt SUBJECT or of all. They are listed first.

    A run that a stage or a pinned number stands on stays. What was pushed stays on the remote, and the next pull
    brings it back. With --json and without --yes nothing is dropped.
    """
    before = None if older is None else int(time.time()) - older * 86_400
    if undone:
        if subject or keep is not None:
            raise UsageFault("With --undone say --older DAYS or nothing: it is about all that was undone here.")
        return _forget(open_lab(ctx), before, yes=yes, as_json=as_json)
    lab = open_lab(ctx)
    found = lab.prunable(subject, keep=keep, before=before)
    if not as_json and found:
        rows = [(run.record.id, when(run.record.time), f"{run.size / 1e3:.0f} kB", run.record.title) for run in found]
        table(("run", "when", "size", "title"), rows, right=frozenset({2}))
    size = sum(run.size for run in found)
    told = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    question = f"Drop {plural(len(found), 'run')}, {told} before git packs it?"
    wanted = bool(found) and (yes or (not as_json and confirm(question)))
    if wanted:
        lab.prune(found)
    if as_json:
        data({"runs": found, "dropped": wanted})
    elif wanted:
        for run in found:
            tag = run.record.tag
            say(f"dropped {tag} (git update-ref refs/tags/{tag} {run.tag_object} brings it back)")
        say("Their data goes when git next collects garbage; until then the lines above bring them back.")
    elif not found:
        say("No saved run fits.")
    return ExitCode.DONE


def _forget(lab: Lab, before: int | None, *, yes: bool, as_json: bool) -> int:
    """Let what undoing kept go, after a preview."""
    found = lab.undone(before=before)
    if not as_json and found:
        table(("tag", "made", "title"), [(each.tag, when(each.time), each.title) for each in found])
    question = f"Let {plural(len(found), 'undone tag')} go?"
    wanted = bool(found) and (yes or (not as_json and confirm(question)))
    if wanted:
        lab.forget(found)
    if as_json:
        data({"undone": found, "dropped": wanted})
    elif wanted:
        for each in found:
            say(f"let go {each.tag} (git update-ref refs/tags/{each.tag} {each.tag_object} brings it back)")
        say("Their data goes when git next collects garbage; until then the lines above bring them back.")
    elif not found:
        say("Nothing that was undone is kept, or all of it is newer.")
    return ExitCode.DONE
