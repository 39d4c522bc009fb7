"""The person's pre-commit hook before promptlab commits on their branch, where `[results] hooks = "run"` asks for it.

The hook may say no, and nothing more: what it would commit in place of a run's own files is no record of the run.
"""

from __future__ import annotations

from collections.abc import Mapping

from promptlab.errors import CommitRefused, HistoryFault
from promptlab.history.committing import PATIENCE
from promptlab.history.git import last_line, plain
from promptlab.history.objects import filtered_blob
from promptlab.history.pending import Folder
from promptlab.history.repository import Repository

_UNKNOWN = "is not a git command"


def ask_pre_commit(repo: Repository, folder: Folder, commit: str, blobs: Mapping[str, str]) -> None:
    """Runs the hook as `git commit` would for a commit that is made already, with an index that holds just that.

    Args:
        repo: The repository.
        folder: Where the temporary index lies; its lock is held.
        commit: The commit that a branch is to be moved to. Its files are in the working tree.
        blobs: Path from the repository's top to blob id of the files it brings.

    Raises:
        CommitRefused: The hook said no, or changed what is to be published.
        HistoryFault: This git cannot run a hook by name.
    """
    index = {"GIT_INDEX_FILE": str(folder.temporary_index())}
    repo.git.write("read-tree", commit, env=index)
    # Without times and sizes of the files a hook would take all of them for edited; some are, which is no fault.
    repo.git.own("update-index", "-q", "--refresh", env=index)
    answer = repo.git.own("hook", "run", "--ignore-missing", "pre-commit", env=index, limit=PATIENCE)
    said = "\n".join(filter(None, (answer.out.decode("utf-8", "replace").strip(), answer.err.strip())))
    if _UNKNOWN in answer.err:
        raise HistoryFault('`hooks = "run"` needs git 2.36 or newer: nothing was published.')
    if answer.code:
        why = f" ({plain(last_line(said))})" if said else ""
        raise CommitRefused(f"The pre-commit hook refused it{why}: nothing was published.", said)
    tree = repo.git.write("write-tree", env=index)
    changed = [path for path, blob in blobs.items() if _on_disk(repo, path) != blob]
    if changed or tree.decode().strip() != repo.git.word("rev-parse", "--verify", f"{commit}^{{tree}}"):
        what = plain(changed[0]) if changed else "what would be committed"
        raise CommitRefused(
            f"The pre-commit hook changed {what}: nothing was published. Let it leave results/ alone, then try"
            " again.",
            said,
        )


def _on_disk(repo: Repository, path: str) -> str:
    try:
        return filtered_blob(repo, path, (repo.top / path).read_bytes())
    except OSError:
        return ""
