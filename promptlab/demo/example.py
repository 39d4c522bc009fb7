"""Lays down copies of the example workspace, each a git repository of its own with the history that led to it."""

from __future__ import annotations

import errno
import os
import shutil
import time
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import msgspec
from msgspec import Struct

from promptlab.errors import PromptlabError, StorageFault, UsageFault

_HERE = Path(__file__).parent
_PAST = _HERE / "history"
# In .git, where no clone and no copy of the files takes it along: only a folder made here is replaced on request.
_MARK = "promptlab-demo"
_AUTHOR, _EMAIL = "promptlab demo", "demo@promptlab.invalid"
_STAND_IN = {"user.name": "demo user", "user.email": "user@promptlab.invalid"}


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """One commit of the example's history.

    Attributes:
        minutes_ago: Its date, counted back from when the copy is made.
        files: Paths that arrive as the packaged workspace has them.
        past: Path to the file of ``history/`` that it has at this step.
    """

    message: str
    minutes_ago: int
    files: tuple[str, ...] = ()
    past: dict[str, str] = {}


class _Story(Struct, frozen=True, forbid_unknown_fields=True):
    steps: tuple[Step, ...]


def default_folder() -> Path:
    """Where the demo goes when no folder is named: below the folder that the system keeps a user's data in."""
    from platformdirs import user_data_path

    return user_data_path("promptlab", appauthor=False) / "demo"


def models_folder() -> Path:
    """The folder of the packaged models: ``demo:NAME`` is ``NAME.gguf`` in it."""
    return _HERE / "models"


def workspace_folder() -> Path:
    """The packaged workspace: in a wheel beside this module, in a checkout the top of the repository."""
    packed = _HERE / "workspace"
    return packed if packed.is_dir() else _HERE.parents[1]


def story() -> tuple[Step, ...]:
    """The commits of the example, oldest first; the last ones leave it as the packaged workspace is."""
    return msgspec.convert(tomllib.loads((_PAST / "story.toml").read_text(encoding="utf-8")), _Story).steps


def is_demo(path: Path) -> bool:
    """Whether ``path`` is a copy that ``create`` made (a clone of one is not)."""
    return (path / ".git" / _MARK).is_file()


def create(target: Path) -> None:
    """Lays a fresh copy down in ``target``, which must be new or empty, with its history and a clean working tree.

    Raises:
        UsageFault: ``target`` already is a copy, or holds something else.
        HistoryFault: Git is missing or failed.
        StorageFault: A file could not be written.
    """
    _refuse_occupied(target)
    with _written(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        # Made beside or inside and moved in at the end: whatever stops this half way leaves no half copy behind.
        inside = target.is_dir()
        staging = (target if inside else target.parent) / f".promptlab-{uuid4().hex[:8]}"
        staging.mkdir()
        try:
            _fill(staging)
            if inside:
                _move_up(staging)
            else:
                staging.rename(target)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise


def replace(target: Path) -> Path:
    """Starts over: moves the copy in ``target`` aside and lays a fresh one down in its place.

    Returns:
        Where the old copy went, with everything that was in it.

    Raises:
        UsageFault: ``target`` is no copy of the demo.
        HistoryFault: Git is missing or failed; the old copy is where it was.
        StorageFault: A file could not be written; the old copy is where it was.
    """
    if not is_demo(target):
        raise UsageFault(f"{target} is no copy of the demo, so it is left as it is: name another folder.")
    target = target.resolve()
    aside = _free_name(target.with_name(f"{target.name}-{time.strftime('%Y%m%d-%H%M%S')}"))
    with _written(target):
        target.rename(aside)
    try:
        create(target)
    except PromptlabError:
        aside.rename(target)
        raise
    return aside


def _refuse_occupied(target: Path) -> None:
    if is_demo(target):
        raise UsageFault(f"{target} already holds a copy of the demo: open it, or start over with --fresh.")
    if target.is_dir():
        with _written(target), os.scandir(target) as entries:
            empty = next(entries, None) is None
        if empty:
            return
        raise UsageFault(f"{target} is not empty: name a new or empty folder for the example.")
    if target.exists():
        raise UsageFault(f"{target} is a file: name a new or empty folder for the example.")


def _fill(folder: Path) -> None:
    """Makes ``folder`` a repository and plays the story in it."""
    # Only here: the history room starts git, and asking where the demo is must stay quick.
    from promptlab.history.fresh import commit_files
    from promptlab.history.repository import Repository

    repo = Repository.init(folder)
    now = int(time.time())
    for step in story():
        contents = {path: (workspace_folder() / path).read_bytes() for path in step.files}
        contents |= {path: (_PAST / name).read_bytes() for path, name in step.past.items()}
        when = now - 60 * step.minutes_ago
        commit_files(repo, contents, step.message, author_name=_AUTHOR, author_email=_EMAIL, time=when)
    for key, value in _STAND_IN.items():
        if not repo.git.word("config", "--get", key):
            repo.git.write("config", "--local", key, value)
    (repo.git_dir / _MARK).write_bytes(b"")
    repo.close()


def _move_up(staging: Path) -> None:
    """Moves the content of ``staging`` to the folder that it lies in, the repository last: then it is a copy."""
    for child in sorted(staging.iterdir(), key=lambda child: child.name == ".git"):
        child.rename(staging.parent / child.name)
    staging.rmdir()


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}-{number}") for number in range(2, 1000))
    return path if not path.exists() else next(name for name in names if not name.exists())


@contextmanager
def _written(target: Path) -> Generator[None]:
    """Turns a fault of the file system into a sentence about ``target``."""
    try:
        yield
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFault(f"The disk is full: the example could not be written to {target}.") from fault
        reason = fault.strerror or str(fault)
        raise StorageFault(
            f"The example could not be written to {target} ({reason}): name another folder."
        ) from fault
