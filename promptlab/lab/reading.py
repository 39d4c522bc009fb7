"""Everything about one workspace that is read: prompts, their past, eval sets, models."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from promptlab.errors import HistoryFault, InvalidFile, NotFound, Problem, PromptlabError, UsageFault
from promptlab.history.repository import Repository
from promptlab.history.values import RepoState, RunRecord, Version
from promptlab.lab import checking, modelling, planning, subjects
from promptlab.lab.evalsets import EvalSets
from promptlab.lab.trend import trend_of
from promptlab.lab.values import Blame, Conflict, FileText, PromptPast, PromptRow, Subject
from promptlab.models import registry, trust
from promptlab.models.addresses import needs_trust
from promptlab.models.values import ModelDetails, ModelInfo
from promptlab.workspace import edit, starters, templates, watch
from promptlab.workspace.faults import FileChanged
from promptlab.workspace.folder import Workspace
from promptlab.workspace.names import CORPUS, is_name
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.settings_values import ModelEntry, Settings
from promptlab.workspace.values import EvalSet, Prompt, Rendered, Variables

if TYPE_CHECKING:
    from promptlab.history.actions import What
    from promptlab.history.versions import Whole
    from promptlab.lab.custom import Code

# Chains whose past is being put together, in this thread: one that uses a version of itself has no end.
_ENTERED: ContextVar[frozenset[str]] = ContextVar("_ENTERED", default=frozenset())


class Reader:
    """The reading half of the lab. Synchronous; the screens call it from a thread."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._repository: Repository | None = None
        self._seen = watch.snapshot(workspace.root)
        self._evalsets = EvalSets()

    @property
    def root(self) -> Path:
        return self.workspace.root

    @property
    def name(self) -> str:
        return self.workspace.root.name

    @property
    def settings(self) -> Settings:
        return self.workspace.settings

    def watch(self) -> tuple[str, ...]:
        """Paths of the workspace that changed on disk since the last call. Settings are loaded again."""
        now = watch.snapshot(self.root)
        changed = watch.changes(self._seen, now)
        self._seen = now
        if "promptlab.toml" in changed:
            self.workspace = Workspace.find(self.root)
        return changed

    # -- prompts ----------------------------------------------------------------------------------

    def prompts(self) -> list[PromptRow]:
        """Every prompt and judge, those that do not load with their problems. Needs no git."""
        return [self._row(name) for name in self.workspace.prompt_names()]

    def _row(self, name: str) -> PromptRow:
        try:
            prompt = self.workspace.load_prompt(name)
        except InvalidFile as fault:
            return PromptRow(name=name, kind="prompt", problems=fault.problems)
        except PromptlabError as fault:
            return PromptRow(name=name, kind="prompt", problems=(Problem(str(fault)),))
        kind = "judge" if prompt.judge else "chain" if prompt.steps else "prompt"
        return PromptRow(name=name, kind=kind, description=prompt.description, content=prompt.content)

    def read_file(self, name: str) -> FileText:
        """The text of a prompt's file."""
        source = self._source(name)
        data = self.workspace.read(source)
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as fault:
            raise InvalidFile(Problem("the file is not UTF-8 text.", source)) from fault
        return FileText(path=source, text=text, stamp=edit.stamp(data))

    def save_file(self, name: str, text: str, stamp: str) -> FileText | Conflict:
        """Write a prompt's file, unless somebody else changed it since ``stamp``: then nothing is written."""
        path, source = self.workspace.prompt_path(name), self._source(name)
        before = self.workspace.read(source)
        try:
            edit.write_if_unchanged(path, text.encode(), stamp)
        except FileChanged:
            return Conflict(mine=text, theirs=self.read_file(name))
        self.wrote(source, before, text.encode())
        return self.read_file(name)

    def wrote(self, source: str, before: bytes | None, after: bytes, title: str = "") -> None:
        """Remember that a file was written, so that it can be undone."""
        from promptlab.history.actions import written

        if before != after and (what := written(source, before, after, edit.stamp(after))) is not None:
            self.did(title or f"{'created' if before is None else 'wrote'} {source}", what)

    def new_prompt(self, name: str) -> FileText:
        """Create prompts/NAME.toml from a commented beginning.

        Raises:
            UsageFault: The name is taken or cannot be a file name.
        """
        if not is_name(name):
            raise UsageFault(f"“{name}” cannot be a prompt's name: use letters, digits, - and _, with / for folders.")
        path = self.workspace.prompt_path(name)
        if path.exists():
            raise UsageFault(f"There is already a prompt “{name}”.")
        text = starters.new_prompt_text(name).encode()
        edit.write_if_unchanged(path, text, None)
        self.wrote(self._source(name), None, text)
        return self.read_file(name)

    def _source(self, name: str) -> str:
        return self.workspace.prompt_path(name).relative_to(self.root).as_posix()

    def parse(self, name: str, text: str) -> Prompt:
        """A prompt from unsaved text.

        Raises:
            InvalidFile: With every problem of the text.
        """
        return parse_prompt(text.encode(), name, self._source(name), lambda used: self.follow(None, used, ""))

    def render(self, prompt: Prompt, variables: Variables) -> Rendered:
        return templates.render(prompt, variables)

    def variables(self, prompt: Prompt) -> frozenset[str]:
        return templates.variables_of(prompt)

    # -- eval sets and models ---------------------------------------------------------------------

    def evalset_names(self) -> list[str]:
        return self.workspace.evalset_names()

    def evalset(self, name: str = "") -> EvalSet:
        """An eval set by name; the default one without."""
        return self._evalsets.load(self.workspace, planning.evalset_name(self.workspace, name))

    def evalset_for(self, prompt: Prompt | None) -> str | None:
        """Name of the eval set that a prompt is run over when nothing else is said; None when nothing says one."""
        try:
            return planning.evalset_name(self.workspace, "", prompt)
        except (NotFound, UsageFault):
            return None

    def default_evalset(self) -> str | None:
        return self.evalset_for(None)

    def default_models(self) -> tuple[str, ...]:
        try:
            return planning.model_names(self.workspace, ())
        except (NotFound, UsageFault):
            return ()

    def models(self) -> list[ModelInfo]:
        return [registry.info(entry, self.root) for entry in self.settings.models.values()]

    def model_details(self, name: str) -> ModelDetails:
        """All that is known of a model without asking it."""
        return modelling.details(self, name)

    def untrusted(self) -> list[ModelEntry]:
        """Endpoints that would receive a key and that the person has not trusted yet."""
        return [
            entry
            for entry in self.settings.models.values()
            if needs_trust(entry) and not trust.is_trusted(self.root, entry)
        ]

    def trust(self, entry: ModelEntry) -> None:
        """Remember, outside the workspace, that this endpoint may receive its key."""
        trust.trust(self.root, entry)

    def untrusted_code(self) -> list[Code]:
        """Python of this workspace that its eval sets would run and that the person has not trusted as it is now."""
        from promptlab.lab.custom import untrusted_code

        return untrusted_code(self.workspace)

    def trust_code(self, code: Code) -> None:
        """Remember, outside the workspace, that this file may run with exactly this content."""
        trust.trust_code(self.root, code.file, code.data)

    def check(self) -> list[Problem]:
        """Everything that is wrong in the workspace's files, metrics and judges included."""
        problems = checking.check(self.workspace, self.subject)
        problems += [
            Problem(info.problem.removeprefix(f"{info.name}: "), "promptlab.toml", key=f"models.{info.name}")
            for info in self.models()
            if info.problem
        ]
        return list(dict.fromkeys(problems))

    # -- history ----------------------------------------------------------------------------------

    def repository(self) -> Repository:
        """The git repository that the workspace lies in.

        Raises:
            HistoryFault: There is none, or it cannot be used.
        """
        if self._repository is None:
            self._repository = Repository.open(self.root)
        return self._repository

    def history_problem(self) -> str:
        """Why there is no history, as a sentence; "" when there is one."""
        try:
            self.repository()
        except HistoryFault as fault:
            return str(fault)
        return ""

    def journal_root(self) -> Path:
        """Where unfinished runs are kept: inside the git folder, out of reach of `git clean`, else in user state."""
        if not self.history_problem():
            common = self.repository().common_dir
            if os.access(common, os.W_OK):
                return common / "promptlab"
        mark = hashlib.sha256(str(self.root).encode()).hexdigest()[:16]
        return Path(os.environ.get("PROMPTLAB_STATE") or platformdirs.user_state_dir("promptlab")) / mark

    def did(self, title: str, what: What) -> None:
        """Remember something that was done, so that it can be undone. ``title`` tells it in the past tense."""
        from promptlab.history.actions import Action, Actions

        action = Action(secrets.token_hex(6), str(self.root), int(time.time()), title, what)
        Actions(self.journal_root()).add(action)

    def repo_state(self) -> RepoState | None:
        return None if self.history_problem() else self.repository().state()

    def versions(self, name: str) -> list[Version]:
        """Versions of a prompt, oldest first; none without a repository."""
        from promptlab.history.versions import versions

        if self.history_problem():
            return []
        return versions(self.repository(), name, f"prompts/{name}.toml", self.whole(name))

    def on_branch(self, name: str) -> list[Version]:
        """As ``versions``, without what is only pinned and what does not load: a history in order."""
        from promptlab.history.versions import on_branch

        return on_branch(self.repository(), name, f"prompts/{name}.toml", self.whole(name))

    def whole(self, name: str) -> Whole:
        """What the contents of a prompt's file stand for: of a chain, with all that it uses."""
        return tuple if name in _ENTERED.get() else partial(self._with_uses, name)

    def _with_uses(self, name: str, own: Sequence[Version]) -> Sequence[Version]:
        from promptlab.lab.lineage import with_uses

        outer = _ENTERED.set(_ENTERED.get() | {name})
        try:
            return with_uses(self, name, own)
        finally:
            _ENTERED.reset(outer)

    def records(self) -> list[RunRecord]:
        """Runs saved in git, newest first; none without a repository."""
        from promptlab.history.runs import list_runs

        if self.history_problem():
            return []
        return sorted(list_runs(self.repository()), key=lambda record: record.id, reverse=True)

    def past(self, name: str) -> PromptPast:
        """Versions of a prompt with the trend of the metric that its newest run was decided by."""
        return next(self.pasts([name]))

    def pasts(self, names: Iterable[str]) -> Iterator[PromptPast]:
        """The pasts of several prompts, one after the other; the saved runs are read once for all of them."""
        records = self.records()
        for name in names:
            yield self._past(name, records)

    def _past(self, name: str, records: Sequence[RunRecord]) -> PromptPast:
        from promptlab.lab.lineage import own_is_committed

        versions = self.versions(name)
        try:
            here = subjects.working_copy(self.workspace, name, name, versions, None, partial(self.follow, None))
            current, working = here.version, here.prompt.content
        except (InvalidFile, NotFound):
            current, working = "*" if self.workspace.prompt_path(name).is_file() else "", ""
        found = trend_of(name, records)
        return PromptPast(
            name=name,
            versions=tuple(versions),
            current=current,
            trend=tuple(found.means.get(version.content) for version in versions),
            metric=found.metric,
            basis=found.basis,
            means=found.means,
            working=working,
            by_uses=current == "*" and bool(versions) and own_is_committed(self, name),
        )

    def name_of(self, text: str) -> str:
        """A prompt's name from a name, a path or a subject with a version.

        Raises:
            NotFound: No prompt has that name.
        """
        return subjects.name_of(self.workspace, subjects.split(text)[0])

    def past_name_of(self, text: str) -> str:
        """As ``name_of``, also for a prompt whose file is gone: git still has its versions."""
        return _name_in_past(self.workspace, subjects.split(text)[0])

    def is_subject(self, text: str) -> bool:
        """Whether the text names a prompt rather than a run."""
        try:
            self.name_of(text)
        except (NotFound, UsageFault):
            return False
        return True

    def subject(self, text: str, drafts: dict[str, str] | None = None) -> Subject:
        """Resolve ``triage``, ``triage@v3``, ``triage@<hash>``, ``triage@<stage>``, ``triage@<revision>`` or a path.

        Raises:
            NotFound: No such prompt or version.
        """
        word, at = subjects.split(text)
        name = subjects.name_of(self.workspace, word) if not at else _name_in_past(self.workspace, word)
        versions = self.versions(name)
        if not at:
            draft = (drafts or {}).get(name)
            return subjects.working_copy(self.workspace, name, text, versions, draft, partial(self.follow, drafts))
        return subjects.at_version(self.repository(), name, at, versions, partial(self.follow, drafts))

    def follow(self, drafts: dict[str, str] | None, reference: str, commit: str) -> bytes:
        """What a chain uses: a version, or the prompt as the drafts, a commit or the disk have it."""
        if reference.startswith(CORPUS):
            return self.workspace.working_copy(reference) or b""
        if "@" in reference or commit:
            word, at = subjects.split(reference)
            found = subjects.at_version(self.repository(), word, at or commit, self.versions(word), subjects.no_chain)
            return found.data
        return (drafts or {}).get(reference, "").encode() or self.workspace.working_copy(reference) or b""

    def blame(self, text: str) -> Blame:
        """The file of a subject by line: since which version each line is there, and what that did to the score.

        Raises:
            NotFound: No such prompt or version.
            HistoryFault: There is no repository.
        """
        from promptlab.lab.blaming import blame

        subject = self.subject(text)
        name = subject.prompt.name
        return blame(self.repository(), subject, self.past(name), self.on_branch(name))

    def restore(self, name: str, version: str) -> str:
        """The text of an old version, for the editor; nothing is written."""
        return self.subject(f"{name}@{version}").data.decode("utf-8")


def _name_in_past(workspace: Workspace, word: str) -> str:
    """A name that may no longer exist in the working copy: its versions are still in git."""
    try:
        return subjects.name_of(workspace, word)
    except NotFound:
        if is_name(word):
            return word
        raise
