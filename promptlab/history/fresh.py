"""Commits into a repository that promptlab made itself, for the packaged example."""

from __future__ import annotations

from collections.abc import Mapping

from promptlab.errors import HistoryFault, StorageFault
from promptlab.history.repository import Repository


def commit_files(
    repo: Repository,
    files: Mapping[str, bytes],
    message: str,
    *,
    author_name: str,
    author_email: str,
    time: int,
) -> str:
    """Writes files and commits them, leaving a clean working tree.

    Only for a repository that ``Repository.init`` has just made: it uses the real index and moves the branch. It
    needs no git identity, runs no hook, signs nothing, and gives the same commit ids for the same arguments.

    Args:
        repo: The repository.
        files: Path relative to the workspace to bytes.
        message: The commit's message.
        author_name: Author and committer.
        author_email: Their address.
        time: Seconds since the epoch, UTC.

    Returns:
        The commit's id.

    Raises:
        StorageFault: A file cannot be written.
        HistoryFault: The repository cannot be written.
        NotFound: A path leads out of the repository.
    """
    paths = {repo.tree_path(path): data for path, data in files.items()}
    for path, data in paths.items():
        file = repo.top / path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        except OSError as error:
            raise StorageFault(f"{file} cannot be written ({error.strerror}).") from error
    date = f"@{time} +0000"
    identity = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", author_name), ("EMAIL", author_email), ("DATE", date))
    }
    quiet = ("-c", "gc.auto=0", "-c", "maintenance.auto=false")
    # -f: a person's own list of ignored files is about their projects, not about the example.
    repo.git.write(*quiet, "add", "-f", "--", *paths)
    repo.git.write(
        *quiet, "commit", "-q", "--no-gpg-sign", "--allow-empty", "-F", "-", stdin=message.encode(), env=identity
    )
    commit = repo.head()
    if commit is None:
        raise HistoryFault("git made no commit of the example.")
    return commit
