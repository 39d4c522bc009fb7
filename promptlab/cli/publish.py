"""A run on the current branch, for those who read the branch: publish."""

from __future__ import annotations

import click

from promptlab.cli.completing import runs
from promptlab.cli.output import data, json_option, line, open_lab, say
from promptlab.errors import CommitRefused, ExitCode


@click.command("publish")
@click.argument("run", shell_complete=runs)
@json_option
@click.pass_context
def publish_command(ctx: click.Context, run: str, as_json: bool) -> int:
    """Commit a summary of RUN (at most 2 KB) on the current branch; all of it with `mode = "branch"`.

    What is staged, edited or untracked stays so. Nothing is published on a detached HEAD or during a merge, rebase,
    cherry-pick, revert or bisect.
    """
    try:
        done = open_lab(ctx).publish(run)
    except CommitRefused as refused:
        say(refused.output)
        raise
    if as_json:
        data({"published": done})
        return ExitCode.DONE
    for path in done.paths:
        line(path)
    if done.before:
        say(f"It is on {done.branch} already. Nothing was changed.")
    else:
        say(f"Published on {done.branch} as {done.commit[:12]}, {done.size} bytes.")
    return ExitCode.DONE
