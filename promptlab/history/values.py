"""What git knows about prompts and runs, as values."""

from __future__ import annotations

from msgspec import Struct


class RepoState(Struct, frozen=True):
    """Where the repository stands.

    Attributes:
        top: Absolute path of the working tree's top folder.
        prefix: The workspace's path below ``top`` with ``/`` between, "" when they are the same folder.
        head: Commit id, or None on an unborn branch.
        branch: Short branch name, or None when HEAD is detached.
        operation: "merge", "rebase", "cherry-pick", "revert", "bisect", or None.
        dirty: Number of paths in the working tree or index that differ from HEAD, untracked ones included.
    """

    top: str
    prefix: str
    head: str | None
    branch: str | None
    operation: str | None
    dirty: int


class Version(Struct, frozen=True):
    """One distinct content of a prompt, in the order HEAD's history first saw it.

    Attributes:
        number: 1, 2, 3 … for ``triage@v1`` …; 0 for an uncommitted working copy and for what could not be parsed.
        content: Content hash, 12 hex digits, or "" when the file could not be parsed.
        blob: Git blob id of the bytes, "" for a working copy.
        commit: The commit that brought it, "" for a working copy.
        time: Author time, seconds since the epoch.
        path: Path relative to the workspace at that commit.
        error: Why the file could not be parsed at that commit, or "".
    """

    number: int
    content: str
    blob: str
    commit: str
    time: int
    author: str
    subject: str
    path: str
    error: str = ""

    @property
    def label(self) -> str:
        """``v3``, ``*`` for an uncommitted working copy, or ``invalid``."""
        if self.number:
            return f"v{self.number}"
        return "invalid" if self.error else "*"


# A list of runs holds thousands of the next three. They hold no reference back, so the collector need not visit them.
class ScoreLine(Struct, frozen=True, gc=False):
    """One ``Promptlab-Score`` trailer: the mean of a metric over a column."""

    column: str
    metric: str
    mean: float
    n: int
    se: float | None = None
    missing: int = 0


class ColumnLine(Struct, frozen=True, gc=False):
    """One ``Promptlab-Variant`` trailer: what a column of the run was.

    Attributes:
        column: Letter of the column: a, b, …
        version: ``v3`` or ``*`` as it stood when the run was made.
        set: Parameters that the command changed, ``temperature=0.7``, or "".
    """

    column: str
    prompt: str
    content: str
    version: str
    model: str
    identity: str
    set: str = ""


class RunRecord(Struct, frozen=True, gc=False):
    """A saved run as its annotated tag tells it, without opening its files.

    Attributes:
        id: ``20261121T195012Z-4f2a9c``.
        tag: Full tag name, ``run/<subject>/<id>``.
        commit: The snapshot commit, on no branch.
        title: First line of the tag message.
        time: Tagger time, seconds since the epoch.
        plan: Digest of the plan: runs with the same digest did the same work.
    """

    id: str
    subject: str
    tag: str
    commit: str
    time: int
    title: str
    evalset: str
    evalset_content: str
    n: int
    columns: tuple[ColumnLine, ...]
    scores: tuple[ScoreLine, ...]
    partial: bool = False
    plan: str = ""


class RunFiles(Struct, frozen=True):
    """What a run commits below ``results/<subject>/<run>/``, and the exact input files it used.

    Attributes:
        results: File name to bytes: ``run.toml``, ``metrics.jsonl``, ``outputs.jsonl``.
        inputs: Path relative to the workspace root to bytes: prompts, judges, eval sets as they were used.
        published: Path relative to the workspace root to bytes of what is to go on the current branch, too.
        hooks: The person's pre-commit hook is asked before these do.
    """

    results: dict[str, bytes]
    inputs: dict[str, bytes]
    published: dict[str, bytes] = {}
    hooks: bool = False


class Published(Struct, frozen=True):
    """What of a run is on a branch.

    Attributes:
        branch: Short name of the branch.
        commit: The commit that brought it, or HEAD where it was there before.
        paths: Relative to the workspace.
        size: Bytes of the files.
        before: It was there already: nothing was done.
    """

    branch: str
    commit: str
    paths: tuple[str, ...]
    size: int
    before: bool = False


class SavedRun(Struct, frozen=True):
    """Where a run was put.

    Attributes:
        published: Where it was put on the branch, too; None where that was not asked for or not possible.
        unpublished: Why it could not be put on the branch, as a sentence, or "".
    """

    tag: str
    commit: str
    results_path: str
    published: Published | None = None
    unpublished: str = ""


class PendingRun(Struct, frozen=True):
    """A save that was cut short by a kill or a power loss.

    Attributes:
        complete: All of it is there after all. Otherwise the run is to be saved again from its journal.
        tagged: Commit and tag are there; what is missing is only the branch's part.
    """

    run: str
    subject: str
    complete: bool
    tagged: bool = False


class Mark(Struct, frozen=True):
    """A name that somebody gave to a version, as its annotated tag tells it.

    Attributes:
        tag: Full tag name: ``triage@v4``, ``triage#production#2``, or ``triage#production!#3`` for a stage cleared.
        stage: Name of the stage, "" for a pinned version number.
        number: The version number, or how many times this stage was set or cleared before, counted from 1.
        content: Content hash of the version, or of the one that was taken off the stage.
        blob: Git blob id of its bytes.
        path: Path of the prompt relative to the workspace.
        commit: What the tag points at: the commit of a run, or an empty child of the version's commit.
        run: Id of the run that justifies it, "" for none.
        time: Tagger time, seconds since the epoch.
        title: First line of the tag's message.
    """

    tag: str
    prompt: str
    stage: str
    number: int
    cleared: bool
    content: str
    blob: str
    path: str
    commit: str
    run: str
    time: int
    author: str
    title: str


class Named(Struct, frozen=True):
    """A version that is to be given a name.

    Attributes:
        commit: The commit that brought it, for a name without a run.
        run: The saved run that justifies the name, or None.
        label: ``v3``, ``*``: how the version is called in the tag's message.
    """

    prompt: str
    content: str
    blob: str
    path: str
    commit: str
    label: str
    run: RunRecord | None = None


class Shared(Struct, frozen=True):
    """What a push or a pull did.

    Attributes:
        remote: Name of the remote.
        got: Tags that are new here.
        sent: Tags that are new there.
        commits: Commits, besides those of the runs, that were sent because runs stand on them.
        renumbered: Our tag and its new name, where the remote had another tag of that name.
        kept: Tags that differ here and there, and are left as they are on both sides.
    """

    remote: str
    got: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()
    commits: int = 0
    renumbered: tuple[tuple[str, str], ...] = ()
    kept: tuple[str, ...] = ()


class Prunable(Struct, frozen=True):
    """A run that may be dropped.

    Attributes:
        tag_object: Id of its tag: `git update-ref refs/tags/<tag> <id>` brings it back until git collects garbage.
        size: Bytes of its results, before git packs them.
    """

    record: RunRecord
    tag_object: str
    size: int


class Undone(Struct, frozen=True):
    """A tag that an undo took away, kept out of reach of git's garbage collection.

    Attributes:
        tag: Its name, as it was.
        tag_object: Its object: `git update-ref refs/tags/<tag> <id>` brings it back.
        time: When it was made, seconds since the epoch.
        title: The first line of its message.
    """

    tag: str
    tag_object: str
    time: int
    title: str


class Entry(Struct, frozen=True):
    """What the index has at a path from the repository's top.

    Attributes:
        mode: ``100644`` and such, "" where the index has nothing.
        intent: Only ``git add --intent-to-add`` was said of it.
    """

    path: str
    mode: str = ""
    blob: str = ""
    intent: bool = False


class Committed(Struct, frozen=True):
    """A commit that the person made with promptlab.

    Attributes:
        parent: The commit that HEAD stood on, "" before the first.
        branch: Full name of the branch, "" when HEAD is on none.
        before: What the index had, before, at each path that the commit changed.
        after: What the commit has there.
        notes: Sentences on what hooks did.
    """

    commit: str
    parent: str
    branch: str
    title: str
    before: tuple[Entry, ...]
    after: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


class GitCall(Struct, frozen=True):
    """One git command that has ended.

    Attributes:
        time: When it was started, seconds since the epoch.
        milliseconds: How long it took.
        code: Its exit status; negative for a signal, None when it could not be started.
        command: As a person would type it, without the settings that promptlab adds to each, and without secrets.
        said: The last thing that git said on stderr, when it did not end with 0.
    """

    time: float
    milliseconds: float
    code: int | None
    command: str
    said: str = ""
