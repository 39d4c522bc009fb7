"""The person's own commit of some files, with their hooks, signing and identity; what else is staged stays staged.

``git commit --only`` does the work, as the person would do it. Around it: files that git does not know yet are told
to it first and forgotten again when the commit is refused; and where a hook put another text into the commit, the
index follows, so that nothing looks staged that the person did not stage.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from promptlab.errors import CommitRefused, HistoryFault, UsageFault
from promptlab.history.git import plain
from promptlab.history.repository import Repository
from promptlab.history.staging import edits, entries, put
from promptlab.history.values import Committed, Entry, Published

PATIENCE = 600.0  # seconds that hooks may take while a screen owns the terminal


def refuse_in_operation(repo: Repository, what: str) -> None:
    """Says no in the middle of a merge, rebase, cherry-pick, revert or bisect.

    Raises:
        UsageFault: There is one.
    """
    if operation := repo.operation():
        raise UsageFault(
            f"A {operation} is in progress in this repository, and {what} now would become part of it: finish it or"
            f" give it up (`git status` says how), then try again."
        )


def commit(repo: Repository, paths: Sequence[str], message: str, *, screen: bool = False) -> Committed:
    """Commits files as they are in the working tree.

    Args:
        repo: The repository.
        paths: Of files that differ from HEAD, relative to the workspace. A file that is gone is committed as deleted.
        message: As typed.
        screen: A screen owns the terminal: nothing may be asked there.

    Raises:
        UsageFault: A merge or the like is in progress, or the message is empty.
        CommitRefused: A hook or the signing program said no. Index, working tree and HEAD are as they were, but for
            what the hook itself changed.
        HistoryFault: No identity, or the repository cannot be written.
    """
    refuse_in_operation(repo, "a commit")
    if not message.strip():
        raise UsageFault("A commit needs a message: say in a line what changed.")
    repo.git.write("var", "GIT_COMMITTER_IDENT")  # says first, in a sentence, when nobody is known
    full = [repo.tree_path(path) for path in paths]
    # Only the files are named, whatever characters are in them, and whatever a hook does with its own patterns.
    named = [f":(top,literal){path}" for path in full]
    before, head, texts = entries(repo, full), repo.head(), _texts(repo, full)
    branch = repo.git.word("symbolic-ref", "--quiet", "HEAD") or ""
    unknown = [path for path in full if not before[path].mode and not before[path].intent and texts[path] is not None]
    if unknown:
        repo.git.write_index("add", "--intent-to-add", "--", *unknown)
    try:
        limit = PATIENCE if screen else None
        answer = repo.git.own("commit", "--quiet", "--only", f"--message={message}", "--", *named, limit=limit)
    finally:
        # Not by its exit status: a Ctrl-C or a hook that hangs afterwards does not take a commit back.
        made = repo.head() != head
        if unknown and not made:
            put(repo, [Entry(path) for path in unknown])
    if not made:
        raise _refused(repo, answer.err or answer.out.decode("utf-8", "replace"), texts)
    return _made(repo, full, head, branch, before, texts)


def _made(
    repo: Repository,
    full: Sequence[str],
    parent: str | None,
    branch: str,
    before: dict[str, Entry],
    texts: dict[str, bytes | None],
) -> Committed:
    new = repo.rev_parse("HEAD")
    changed = _changed(repo, new)
    now = entries(repo, list(dict.fromkeys([*full, *changed])))
    # What a hook added beside the named files was not staged by the person: what they have there is the old text.
    before = {**{path: now[path] for path in changed if path not in before}, **before}
    stale: list[Entry] = []
    for path, (old, after) in changed.items():
        mine = now[path] if path in full else before[path]
        if now[path] != after and (path in full or (mine.mode, mine.blob) == (old.mode, old.blob)):
            stale.append(after)
    notes: list[str] = []
    try:
        put(repo, stale)
    except HistoryFault as fault:
        notes.append(f"A hook changed what was committed, and the index could not follow: {fault}")
    extra = [repo.workspace_path(path) for path in changed if path not in full]
    if extra:
        notes.append(f"A hook committed other files along with it: {', '.join(extra)}.")
    rewritten = [repo.workspace_path(path) for path in full if _texts(repo, [path])[path] != texts[path]]
    left = {edit.path for edit in edits(repo, [repo.workspace_path(path) for path in full])}
    if rewritten:
        rest = " That change is not in the commit." if left & set(rewritten) else " That text is what was committed."
        notes.append(f"A hook changed {', '.join(rewritten)}.{rest}")
    return Committed(
        commit=new,
        parent=parent or "",
        branch=branch,
        title=_title(repo, new),
        before=tuple(before[path] for path in changed),
        after=tuple(after for _, after in changed.values()),
        notes=tuple(notes),
    )


def brought_by(repo: Repository, published: Published | None) -> Committed | None:
    """The commit that put files of a run on the branch, as if they had stood in the index as in its parent before.

    None where they were there already, or came with a commit of the person's own: that is not ours to take back.
    """
    if published is None or published.before:
        return None
    made = _committed(repo, published.commit)
    ours = {repo.tree_path(path) for path in published.paths}
    return made if {entry.path for entry in made.after} == ours else None


def _committed(repo: Repository, commit: str) -> Committed:
    changed = _changed(repo, commit)
    return Committed(
        commit=commit,
        parent=repo.git.word("rev-parse", "--verify", "--quiet", f"{commit}^") or "",
        branch=repo.git.word("symbolic-ref", "--quiet", "HEAD") or "",
        title=_title(repo, commit),
        before=tuple(before for before, _ in changed.values()),
        after=tuple(after for _, after in changed.values()),
    )


def _title(repo: Repository, commit: str) -> str:
    return plain(os.fsdecode(repo.git.read("log", "-1", "--no-show-signature", "--format=%s", commit)))


def _changed(repo: Repository, commit: str) -> dict[str, tuple[Entry, Entry]]:
    """Path from the top to what the commit's parent and the commit have there."""
    out = repo.git.read(
        *("diff-tree", "-r", "-z", "--root", "--raw", "--no-abbrev", "--no-renames", "--no-commit-id"),
        *("--end-of-options", commit),
    )
    fields = out.split(b"\0")
    found: dict[str, tuple[Entry, Entry]] = {}
    for head, name in zip(fields[::2], fields[1::2], strict=False):  # an empty field ends the last
        modes, path = head.decode().removeprefix(":").split(" "), os.fsdecode(name)
        old, new = (
            Entry(path, mode, blob) if mode.strip("0") else Entry(path)
            for mode, blob in ((modes[0], modes[2]), (modes[1], modes[3]))
        )
        found[path] = old, new
    return found


def _refused(repo: Repository, output: str, texts: dict[str, bytes | None]) -> CommitRefused:
    rewritten = [repo.workspace_path(path) for path, text in _texts(repo, list(texts)).items() if text != texts[path]]
    sentence = "Git made no commit. Nothing is lost: your files, what you staged and the message are as they were."
    if rewritten:
        sentence = f"Git made no commit, and a hook changed {', '.join(rewritten)}: look at it, then commit again."
    return CommitRefused(sentence, output.strip())


def _texts(repo: Repository, full: Sequence[str]) -> dict[str, bytes | None]:
    def read(path: str) -> bytes | None:
        try:
            return (repo.top / path).read_bytes()
        except OSError:
            return None

    return {path: read(path) for path in full}
