"""What audits of judges found, and what that does to verdicts: a judge that failed decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from promptlab.lab.planning import JURY
from promptlab.scoring.catalogue import jurors
from promptlab.workspace.values import MetricSpec, Prompt

if TYPE_CHECKING:
    from promptlab.lab.opening import Opener
    from promptlab.lab.table import RunTable

Result = Literal["passed", "warned", "failed"]
Probe = Literal[
    "replies",
    "probabilities",
    "stability",
    "padding",
    "range",
    "nonsense",
    "family",
    "order",
    "same",
    "people",
    "calibration",
]


class Finding(Struct, frozen=True):
    """What one probe found. ``value`` is its figure: a share, a difference in grades …"""

    probe: Probe
    result: Result
    sentence: str
    value: float | None = None


class Audit(Struct, frozen=True):
    """One audit of a judge on a model. It belongs to the judge's content and the model's name."""

    judge: str
    content: str
    model: str
    identity: str
    evalset: str
    answers: int
    calls: int
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.result == "failed")

    @property
    def doubt(self) -> str:
        """Why scores of this judge prove nothing, in a sentence, or ""."""
        if not self.failed:
            return ""
        why = " ".join(finding.sentence for finding in self.failed)
        return f"the judge {self.judge} on {self.model} failed its audit: {why}"


def keep(folder: Path, found: Audit) -> None:
    """Write an audit to where :func:`known` finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _name(found.content, found.model)
    fresh = path.with_suffix(".tmp")
    fresh.write_bytes(msgspec.json.encode(found))
    fresh.replace(path)


def known(folder: Path, content: str, model: str) -> Audit | None:
    """The last audit of a judge's content on a model, or None."""
    try:
        return msgspec.json.decode((folder / _name(content, model)).read_bytes(), type=Audit)
    except (OSError, msgspec.DecodeError):
        return None


def _name(content: str, model: str) -> str:
    return f"{content}-{model.encode().hex()[:120]}.json"


def doubts(
    folder: Path, metrics: Sequence[MetricSpec], judges: Mapping[str, Prompt], identities: Mapping[str, str]
) -> dict[str, str]:
    """Name of each judge metric whose judge failed its last audit, and why.

    Args:
        folder: Where audits are kept.
        metrics: Of a run.
        judges: Metric name to judge.
        identities: Metric name to the models that judged: an audit of another file or endpoint says nothing of it.
    """
    found: dict[str, str] = {}
    for spec in (spec for spec in metrics if spec.name in judges):
        models = identities.get(spec.name, "").split(JURY)
        for name in jurors(spec):
            audited = known(folder, judges[spec.name].content, name)
            if audited is not None and audited.doubt and audited.identity in models:
                found.setdefault(spec.name, audited.doubt)
    return found


def mark(lab: Opener, table: RunTable) -> None:
    """Let a table know which of its judges failed their last audits."""
    table.distrust(doubts(folder_of(lab), table.metrics, table.judges, table.judge_models))


def folder_of(lab: Opener) -> Path:
    """Where the audits of a workspace are kept."""
    return lab.journal_root() / "audits"
