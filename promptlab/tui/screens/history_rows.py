"""The timeline of a prompt: its versions, texts that were run and never committed, and the runs of each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from promptlab.errors import NotFound, PromptlabError
from promptlab.history.values import Version
from promptlab.lab import wording
from promptlab.lab.listing import listed_of
from promptlab.lab.trend import trend_of
from promptlab.lab.values import PromptPast, PromptRun, Stage, Subject
from promptlab.scoring.values import MetricInfo
from promptlab.tui.screens.history_filter import choices_of, narrowed, with_trend
from promptlab.tui.widgets.columns import Cell, Column

if TYPE_CHECKING:
    from promptlab.lab import Lab

COLUMNS = (
    Column("mark", "", 1),
    Column("label", "", 7),
    Column("commit", "commit", 8, drop=1),
    Column("when", "when", 6),
    Column("score", "score", 9, "right"),
    Column("author", "author", 10, drop=2),
    Column("message", "message", 22, grow=True),
)
_STATES = {"unsaved": "not saved", "partial": "partial", "running": "running", "lost": "lost"}
_UNITS = ((86_400 * 365, "y"), (86_400 * 30, "mo"), (86_400, "d"), (3600, "h"), (60, "min"))


class Moment(NamedTuple):
    """One text of the prompt at one time.

    Attributes:
        kind: ``draft`` is a text that a run used and nobody committed.
        ref: The subject that names it to the lab; "" when only a run's journal has it.
        error: Why the text does not load, or "".
        score: Mean of the trend's metric, or None.
        last: That of the newest version before it that has one.
        current: The working copy is this text.
    """

    kind: Literal["working", "version", "draft"]
    label: str
    content: str
    ref: str
    time: int
    error: str = ""
    commit: str = ""
    author: str = ""
    message: str = ""
    score: float | None = None
    last: float | None = None
    current: bool = False
    runs: tuple[PromptRun, ...] = ()

    @property
    def key(self) -> str:
        """What it is, whatever comes before or after it."""
        return f"{self.kind}:{self.commit}:{'' if self.kind == 'working' else self.content}"

    @property
    def name(self) -> str:
        """How a sentence calls it: ``v3``, ``working copy``, ``*9f31c0``."""
        return {"working": "working copy", "version": self.label}.get(self.kind, f"*{self.content[:6]}")


class Timeline(NamedTuple):
    """The past of one prompt, newest first.

    Attributes:
        metric: The trend's metric; without a saved run, that of the newest run; "" without any.
        info: What that metric is.
        problem: Why there is no history, or what this clone may lack, or "".
        stages: What is on a stage now.
        only: Model or eval set whose runs are shown, "" for all.
        choices: What ``only`` can be: ``model mini``, ``eval set support``.
    """

    name: str
    moments: tuple[Moment, ...]
    past: PromptPast
    metric: str
    info: MetricInfo | None
    problem: str
    stages: tuple[Stage, ...] = ()
    only: str = ""
    choices: tuple[str, ...] = ()

    def on(self, moment: Moment) -> tuple[str, ...]:
        """The stages that a moment's text is on."""
        here = moment.kind != "working" and moment.content
        return tuple(stage.mark.stage for stage in self.stages if here and stage.mark.content == moment.content)

    def before(self, moment: Moment) -> Moment | None:
        """The version before it that loads."""
        at = self.moments.index(moment)
        older = (other for other in self.moments[at + 1 :] if other.kind == "version" and not other.error)
        return next(older, None)

    def change(self, moment: Moment) -> str:
        """``▲`` when its mean is better than that of the last version before it that has one, ``▼``, ``=``, or ""."""
        if moment.score is None or moment.last is None or self.info is None or self.info.direction == "info":
            return ""
        gain = (moment.score - moment.last) * (-1 if self.info.direction == "min" else 1)
        return "▲" if gain > 0 else "▼" if gain < 0 else "="


def read_timeline(lab: Lab, name: str, only: str = "") -> Timeline:
    """Everything about the past of a prompt. Asks git: to be called in a thread.

    Args:
        only: ``model mini`` or ``eval set support``: leave out what other runs say.

    Raises:
        PromptlabError: Git could not do it.
    """
    past, every = lab.past(name), listed_of(lab, name)
    choices = choices_of(every)
    runs = narrowed(every, only)
    if runs is not every:
        past = with_trend(past, trend_of(name, (run.run.record for run in runs if run.run.record)))
    content = error = ""
    try:
        content = lab.subject(name).prompt.content
    except PromptlabError as fault:
        error = str(fault)
    moments = moments_of(name, past, runs, content, error)
    metric = past.metric or next((score.metric for found in runs for score in found.scores), "")
    info = lab.metric_info(metric, runs)
    problem = lab.history_problem() or lab.missing_hint()
    return Timeline(name, moments, past, metric, info, problem, tuple(lab.stages(name)), only, choices)


def subject_of(lab: Lab, moment: Moment) -> Subject:
    """The text of a moment.

    Raises:
        NotFound: It does not load, or no commit has it.
    """
    if not moment.ref:
        raise NotFound("This text is only in the journal of a run: c in Results keeps it in git.")
    subject = lab.subject(moment.ref)
    if moment.kind == "draft" and subject.prompt.content != moment.content:
        raise NotFound(f"The commit of this run has another text at {subject.source} than the one that was run.")
    return subject


def moments_of(
    name: str, past: PromptPast, runs: Sequence[PromptRun], content: str, error: str
) -> tuple[Moment, ...]:
    """Versions newest first, an edited working copy on top, drafts where the newest of their runs puts them.

    Args:
        content: Content hash of the working copy, "" when it does not load.
        error: Why it does not load, or "".
    """
    by_content: dict[str, list[PromptRun]] = {}
    for run in runs:
        for hash_ in dict.fromkeys(line.content for line in run.columns):
            by_content.setdefault(hash_, []).append(run)
    found = [_version(name, version, past.means, content, by_content) for version in reversed(past.versions)]
    known = {version.content for version in past.versions if version.content}
    for hash_, its in by_content.items():
        if hash_ not in known and hash_ != content:
            draft = _draft(name, hash_, past.means, its)
            at = next((i for i, each in enumerate(found) if each.time <= draft.time), len(found))
            found.insert(at, draft)
    if content not in known:
        message = error.partition("\n")[0] if error else past.edited
        its = tuple(by_content.get(content, ()))
        score = past.means.get(content)
        top = Moment("working", "*", content, name, 0, error, message=message, score=score, current=True, runs=its)
        found.insert(0, top)
    return _with_last(found)


def _with_last(newest_first: Sequence[Moment]) -> tuple[Moment, ...]:
    found: list[Moment] = []
    last: float | None = None
    for moment in reversed(newest_first):
        found.append(moment._replace(last=last))
        if moment.kind == "version" and moment.score is not None:
            last = moment.score
    return tuple(reversed(found))


def _version(
    name: str, version: Version, means: Mapping[str, float], content: str, runs: Mapping[str, list[PromptRun]]
) -> Moment:
    return Moment(
        "version",
        version.label,
        version.content,
        f"{name}@{version.label}",
        version.time,
        version.error,
        version.commit,
        version.author,
        version.error or version.subject,
        means.get(version.content),
        None,
        bool(content) and version.content == content,
        tuple(runs.get(version.content, ())) if version.content else (),
    )


def _draft(name: str, content: str, means: Mapping[str, float], runs: Sequence[PromptRun]) -> Moment:
    # The newest saved run holds the text: its commit has the file as it was run.
    commit = next((run.run.record.commit for run in runs if run.run.record is not None), "")
    ref = f"{name}@{commit}" if commit else ""
    message = f"run, not committed  {content}"
    return Moment(
        "draft",
        "*",
        content,
        ref,
        runs[0].run.time,
        message=message,
        score=means.get(content),
        runs=tuple(runs),
    )


class TimelineRows:
    """Rows of the table: each moment, and below it its runs."""

    def __init__(self, timeline: Timeline, marks: Mapping[str, str], now: float) -> None:
        """Lay out the rows.

        Args:
            marks: Moment key to ``A`` or ``B``.
            now: Seconds since the epoch, for “2 h”.
        """
        self._timeline = timeline
        self._marks = marks
        self._now = now
        self._rows: list[tuple[Moment, PromptRun | None]] = []
        for moment in timeline.moments:
            self._rows.append((moment, None))
            self._rows += ((moment, run) for run in moment.runs)

    def __len__(self) -> int:
        return len(self._rows)

    def key(self, row: int) -> str:
        """The moment, and the run of it."""
        moment, run = self._rows[row]
        return f"{moment.key}/{run.run.id}" if run else moment.key

    def at(self, row: int) -> tuple[Moment, PromptRun | None]:
        """The moment of a row, and the run if it is a run's row."""
        return self._rows[row]

    def cell(self, row: int, column: str) -> Cell:
        """What stands in one place of the table."""
        moment, run = self._rows[row]
        return self._moment(moment, column) if run is None else self._run(moment, run, column)

    def _moment(self, moment: Moment, column: str) -> Cell:
        match column:
            case "mark":
                return Cell(self._marks.get(moment.key, ""), "mark")
            case "label":
                return Cell(moment.label, "bad" if moment.error else "warn" if moment.label == "*" else "strong")
            case "commit":
                return Cell(moment.commit[:8] or "–", "accent" if moment.commit else "dim")
            case "when":
                return Cell(ago(moment.time, self._now) if moment.time else "now")
            case "score":
                score = wording.known(moment.score, self._timeline.info)
                return Cell(f"{score}{self._timeline.change(moment) or ' '}")
            case "author":
                return Cell(moment.author, "dim")
            case _:
                stages = "".join(f"◆ {stage}  " for stage in self._timeline.on(moment))
                return Cell(
                    f"{stages}{moment.message}", "bad" if moment.error else "warn" if moment.kind != "version" else ""
                )

    def _run(self, moment: Moment, run: PromptRun, column: str) -> Cell:
        match column:
            case "label":
                return Cell(" └ run", "dim")
            case "commit":
                return Cell(run.run.id[-6:], "dim")
            case "when":
                return Cell(ago(run.run.time, self._now), "dim")
            case "message":
                return Cell(run_line(moment, run, self._timeline), "dim")
            case _:
                return Cell("")


def run_line(moment: Moment, run: PromptRun, timeline: Timeline) -> str:
    """What a run says of one text, in a line: ``mini 65.8 %, nano 26.7 %``."""
    parts: list[str] = []
    for line in run.columns:
        if line.content != moment.content:
            continue
        mine = [score for score in run.scores if score.column == line.column]
        score = next((each for each in mine if each.metric == timeline.metric), mine[0] if mine else None)
        if score is None:
            parts.append(line.model)
        elif score.metric == timeline.metric:
            parts.append(f"{line.model} {wording.known(score.mean, timeline.info)}")
        else:
            parts.append(f"{line.model} {score.metric} {score.mean:.3g}")
    state = _STATES.get(run.run.state, "")
    return " · ".join(part for part in (state, ", ".join(parts)) if part)


def ago(then: float, now: float) -> str:
    """How long ago: ``now``, ``5 min``, ``2 h``, ``3 d``, ``4 mo``, ``2 y``."""
    passed = now - then
    for seconds, unit in _UNITS:
        if passed >= seconds:
            return f"{int(passed // seconds)} {unit}"
    return "now"


def date(then: float) -> str:
    """A moment in local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(then))
