"""The list of runs for a person: it says also which of them are not there any more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab
    from promptlab.lab.values import PromptRun, RunSummary


def listed(lab: Lab, subject: str = "") -> list[RunSummary]:
    """The runs, newest first, as ``lab.runs`` finds them; one whose commit git has lost has the state ``lost``.

    Raises:
        HistoryFault: Git failed.
    """
    runs = lab.runs(subject)
    known = marked(lab, runs)
    return [known.get(run.id, run) for run in runs]


def listed_of(lab: Lab, name: str) -> list[PromptRun]:
    """The runs of a prompt, as ``lab.runs_of`` finds them, with the same mark.

    Raises:
        HistoryFault: Git failed.
    """
    found = lab.runs_of(name)
    known = marked(lab, [each.run for each in found])
    return [msgspec.structs.replace(each, run=known.get(each.run.id, each.run)) for each in found]


def marked(lab: Lab, runs: Iterable[RunSummary]) -> dict[str, RunSummary]:
    """Id to run of those whose commit git has lost, each with the state ``lost``. One process for all of them.

    Raises:
        HistoryFault: Git failed.
    """
    from promptlab.history.runs import lost_commits

    saved = [(run, run.record) for run in runs if run.record is not None]
    lost = lost_commits(lab.repository(), [record for _, record in saved]) if saved else frozenset[str]()
    return {run.id: msgspec.structs.replace(run, state="lost") for run, record in saved if record.commit in lost}
