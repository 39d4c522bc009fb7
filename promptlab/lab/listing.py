"""The list of runs for a person: it says also which of them are not there any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab
    from promptlab.lab.values import RunSummary


def listed(lab: Lab, subject: str = "") -> list[RunSummary]:
    """The runs, newest first, as ``lab.runs`` finds them; one whose commit git has lost has the state ``lost``.

    Raises:
        HistoryFault: Git failed.
    """
    from promptlab.history.runs import lost_commits

    runs = lab.runs(subject)
    saved = [run.record for run in runs if run.record is not None]
    if not saved:
        return runs
    lost = lost_commits(lab.repository(), saved)
    return [
        msgspec.structs.replace(run, state="lost") if run.record is not None and run.record.commit in lost else run
        for run in runs
    ]
