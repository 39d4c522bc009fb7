"""Names for versions: pinned numbers and stages, with the run that justifies each."""

from __future__ import annotations

import re
from collections.abc import Sequence

from promptlab.errors import NotFound, UsageFault
from promptlab.history.values import Mark, Named, Prunable, RunRecord, Shared, Undone
from promptlab.lab.reading import Reader
from promptlab.lab.values import Stage, Subject
from promptlab.lab.wording import plural


class Keeper(Reader):
    """The half of the lab that names versions and shares the history. Synchronous."""

    def marks(self, name: str = "") -> list[Mark]:
        """Every pinned number and every stage that was ever set or cleared, oldest first; of one prompt or of all."""
        from promptlab.history.marks import list_marks

        return [] if self.history_problem() else list_marks(self.repository(), [name] if name else None)

    def stages(self, name: str = "") -> list[Stage]:
        """What is on each stage now, of one prompt or of all."""
        from promptlab.history.marks import stages

        records = {record.id: record for record in self.records()}
        found: list[Stage] = []
        for mark in stages(self.marks(name)).values():
            if mark.cleared:
                continue
            versions = [version for version in self.versions(mark.prompt) if version.number]
            label = next((version.label for version in versions if version.content == mark.content), "*")
            newest = max(versions, key=lambda version: version.number).label if versions else ""
            run = records.get(mark.run)
            lines = run.columns if run else ()
            columns = {line.column for line in lines if line.content == mark.content and not line.set}
            scores = tuple(score for score in run.scores if score.column in columns) if run else ()
            found.append(Stage(mark, label, newest, scores))
        return sorted(found, key=lambda stage: (stage.mark.prompt, stage.mark.stage))

    def tag(self, subject: str, label: str = "") -> Mark:
        """Pin the number of a version for good: ``v4``, or the one that it has.

        Raises:
            UsageFault: The number is no number, or pinning it would give another version another number.
            HistoryFault: Git could not do it.
        """
        from promptlab.history.actions import Pinned
        from promptlab.history.marks import pin
        from promptlab.history.undoing import tag_object
        from promptlab.history.versions import moved_by

        found = self.subject(subject)
        name, content = found.prompt.name, found.prompt.content
        wanted = label or found.version
        number = re.fullmatch(r"v([1-9][0-9]{0,8})", wanted)
        if number is None:
            raise UsageFault(
                f"“{wanted}” is no version number: write v1, v2 …"
                if label
                else f"{subject} has no number yet: commit it, or say which one, as in `promptlab tag {name} v4`."
            )
        moved = moved_by(self.repository(), name, found.source, content, int(number[1]), self.whole(name))
        if moved:
            raise UsageFault(
                f"{name}@{wanted} would give other versions another number, {moved[0].label} for one."
                f" Pin {subject} to the number that it has, or to one that is free."
            )
        there = {mark.tag for mark in self.marks(name)}
        made = pin(self.repository(), self._named(found, None), int(number[1]))
        if made.tag not in there:
            self.did(f"pinned {made.tag}", Pinned(made.tag, tag_object(self.repository(), made.tag)))
        return made

    def stage_problem(self, stage: str) -> str:
        """Why this cannot be the name of a stage, as a sentence, or ""."""
        from promptlab.history.marks import check_stage

        try:
            check_stage(stage)
        except UsageFault as fault:
            return str(fault)
        return ""

    def promote(self, subject: str, stage: str, run: str = "") -> Mark:
        """Put a version on a stage, with the saved run that justifies it.

        Args:
            subject: The version: ``triage``, ``triage@v3``.
            stage: ``production``, ``staging``, any small word.
            run: Id of the run, its beginning or end, its tag, or ``last`` for the newest run of this version.

        Raises:
            UsageFault: No run is given, the stage's name is none, or the version is on it already.
            NotFound: No saved run of this version is meant by ``run``, or git has lost it.
            HistoryFault: Git could not do it.
        """
        from promptlab.history.actions import StageMoved
        from promptlab.history.marks import check_stage, promote
        from promptlab.history.runs import result_blobs

        check_stage(stage)
        found = self.subject(subject)
        record = _meant(run, self.records_of(found), found)
        result_blobs(self.repository(), record)  # what justifies a stage has to be there
        named = self._named(found, record)
        before = self._on_stage(named.prompt, stage)
        made = promote(self.repository(), named, stage)
        label = f"{named.prompt} {named.label}".removesuffix(" *")
        self.did(f"put {label} ({made.content}) on {stage}", StageMoved(made.tag, before))
        return made

    def demote(self, subject: str, stage: str) -> Mark:
        """Take what is on a stage of a prompt off it. The tags that put it there stay.

        Raises:
            UsageFault: Nothing is on the stage.
            HistoryFault: Git could not do it.
        """
        from promptlab.history.actions import StageMoved
        from promptlab.history.marks import demote

        name = self.past_name_of(subject)
        before = self._on_stage(name, stage)
        made = demote(self.repository(), name, stage)
        self.did(f"took {name} ({made.content}) off {stage}", StageMoved(made.tag, before))
        return made

    def _on_stage(self, prompt: str, stage: str) -> str:
        """The tag that counts on a stage, also when it cleared it; "" when there never was one."""
        from promptlab.history.marks import stages

        mark = stages(self.marks(prompt)).get((prompt, stage))
        return mark.tag if mark else ""

    # -- sharing ----------------------------------------------------------------------------------

    def push(self, remote: str = "") -> Shared:
        """Send runs, pinned numbers and stages that the remote lacks, after a pull. No branch is pushed.

        Raises:
            NotFound, UsageFault: No such remote, none at all, or several.
            HistoryFault: It cannot be reached or refuses.
        """
        from promptlab.history.sharing import push, remote_of

        return push(self.repository(), remote_of(self.repository(), remote))

    def pull(self, remote: str = "") -> Shared:
        """Fetch runs, pinned numbers and stages that are not here yet. No branch is touched. Faults as ``push``."""
        from promptlab.history.sharing import pull, remote_of

        return pull(self.repository(), remote_of(self.repository(), remote))

    def fetch_setting(self, remote: str = "") -> tuple[str, str]:
        """What ``set_up_fetch`` would write to this clone's git configuration: key and value, "" when it is there.

        Raises:
            NotFound: No such remote, or none at all.
            UsageFault: Several remotes, or the clone leaves the tags of this one alone.
        """
        from promptlab.history.sharing import fetch_refspec, is_set_up, remote_of, takes_no_tags

        name = remote_of(self.repository(), remote)
        if takes_no_tags(self.repository(), name):
            raise UsageFault(
                f"This clone leaves the tags of {name} alone (remote.{name}.tagOpt = --no-tags), and runs are tags:"
                f" `promptlab pull` fetches them; `git config --unset remote.{name}.tagOpt`, and then `promptlab"
                " setup`, let `git fetch` bring them."
            )
        return f"remote.{name}.fetch", "" if is_set_up(self.repository(), name) else fetch_refspec(name)

    def set_up_fetch(self, remote: str = "") -> None:
        """Let a plain ``git fetch`` bring runs too."""
        from promptlab.history.sharing import remote_of, set_up

        set_up(self.repository(), remote_of(self.repository(), remote))

    def missing_hint(self) -> str:
        """What to do in a clone that may lack the runs of its remote, "" where nothing speaks for it. Asks nobody."""
        from promptlab.history.sharing import is_set_up, remotes

        if self.history_problem() or self.records():
            return ""
        names = remotes(self.repository())
        if not names or any(is_set_up(self.repository(), name) for name in names):
            return ""
        return (
            f"A clone does not have the runs of {names[0]}, if there are any: `promptlab pull` fetches them, and"
            " `promptlab setup` lets `git fetch` bring them."
        )

    # -- old runs ---------------------------------------------------------------------------------

    def prunable(self, subject: str = "", *, keep: int | None = None, before: int | None = None) -> list[Prunable]:
        """What ``prune`` would drop: not the ``keep`` newest of each prompt, none since ``before``, none that a stage
        or a pinned number stands on.

        Raises:
            UsageFault: Neither rule is given.
            HistoryFault: There is no repository, or git failed.
        """
        from promptlab.history.pruning import prunable

        if keep is None and before is None:
            raise UsageFault(
                "Say which runs may go: --keep N keeps the newest N of each prompt, "
                "--older DAYS those of the last DAYS."
            )
        name = self.past_name_of(subject) if subject else ""
        return prunable(self.repository(), subject=name, keep=keep, before=before)

    def prune(self, runs: Sequence[Prunable]) -> None:
        """Drop saved runs of this clone: their tags go now, their data when git collects garbage."""
        from promptlab.history.actions import RunsPruned
        from promptlab.history.pruning import prune

        prune(self.repository(), runs)
        tags = {run.record.tag: run.tag_object for run in runs}
        self.did(f"dropped {plural(len(tags), 'run')}", RunsPruned(tags))

    def undone(self, *, before: int | None = None) -> list[Undone]:
        """Tags that undoing took away and that are kept, the oldest first; those made before a time."""
        from promptlab.history.undoing import undone

        return undone(self.repository(), before)

    def forget(self, tags: Sequence[Undone]) -> None:
        """Let git collect what undoing kept."""
        from promptlab.history.undoing import forget

        forget(self.repository(), tags)

    def records_of(self, subject: Subject) -> list[RunRecord]:
        """The saved runs that have a column of this version as it is, newest first.

        With a parameter changed on the command line it was another one: that says nothing for the version.
        """
        content = subject.prompt.content
        return [
            record
            for record in self.records()
            if any(line.content == content and not line.set for line in record.columns)
        ]

    def _named(self, subject: Subject, record: RunRecord | None) -> Named:
        """The version as the tag of its name tells it."""
        from promptlab.history.runs import result_blobs
        from promptlab.lab.archive import prompt_file

        name, content = subject.prompt.name, subject.prompt.content
        version = next((each for each in self.versions(name) if each.content == content), None)
        if version is not None:
            return Named(name, content, version.blob, version.path, version.commit, version.label, record)
        holding = (each for each in self.records() if any(line.content == content for line in each.columns))
        record = record or next(holding, None)
        line = next((each for each in record.columns if each.content == content), None) if record else None
        if record is None or line is None:
            raise UsageFault(f"{subject.asked} is not committed: commit it, or save a run of it, and try again.")
        blob = result_blobs(self.repository(), record)[prompt_file(f"{line.prompt}@{content}")]
        return Named(name, content, blob, subject.source, record.commit, subject.version, record)


def _meant(ref: str, records: Sequence[RunRecord], subject: Subject) -> RunRecord:
    if not records:
        raise NotFound(f"No run of {subject.asked} is saved: `promptlab run {subject.asked}` makes one.")
    if not ref:
        some = ", ".join(record.id for record in records[:4])
        raise UsageFault(f"Say which run justifies it with --run: {some}; or `--run last` for the newest of these.")
    if ref == "last":
        return records[0]
    word = ref.rpartition("/")[2]
    found = [record for record in records if record.id == word] or [
        record for record in records if len(word) >= 4 and (record.id.startswith(word) or record.id.endswith(word))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"“{ref}” could be {len(found)} runs: {', '.join(r.id for r in found[:4])}. Write more.")
    raise NotFound(
        f"No saved run “{ref}” has a column of {subject.asked} as it is. The newest that has one: {records[0].id}."
    )
