"""Runs git: one short-lived process a call, without the caller's surroundings and without hostile configuration.

GitPython starts the processes. Its object model is not used: it reads the index and the refs in Python, which
fails in SHA-256, reftable, split and sparse repositories.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from promptlab.errors import HistoryFault
from promptlab.history import calls

if TYPE_CHECKING:
    import git

NO_GIT = "git is not installed or not on PATH: install git (https://git-scm.com) to keep versions and runs."
NO_IDENTITY = (
    "git does not know who you are, and a commit carries an author: run"
    ' `git config --global user.name "Your Name"` and `git config --global user.email you@example.com`,'
    " then try again."
)

NOT_SIGNED = (
    "git could not sign ({}). Nothing was changed; check and unlock your signing key (or turn off commit.gpgsign and"
    " tag.gpgsign here), then try again."
)

# Reading runs nothing that a repository's own configuration names, and never reaches out to a remote.
_READ_CONFIG = {
    "core.fsmonitor": "false",
    "core.quotePath": "false",
    "i18n.logOutputEncoding": "UTF-8",
    "log.showSignature": "false",
    "protocol.ext.allow": "never",
}
# Saving honours what the person set up for commits (filters, signing), but a temporary index must be a plain one: a
# split index would leave its shared half behind in the repository.
_WRITE_CONFIG = {
    "core.fsmonitor": "false",
    "core.splitIndex": "false",
    "i18n.commitEncoding": "UTF-8",
    "index.sparse": "false",
    "protocol.ext.allow": "never",
    "user.useConfigOnly": "true",
}
# What the person's own commands get on top of their configuration: promptlab speaks UTF-8, and git guesses no author.
_OWN = ("-c", "i18n.commitEncoding=UTF-8", "-c", "user.useConfigOnly=true")
_NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")
_FILTER_KEYS = ("clean", "process", "required")
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
# What a push or pull may use; a remote helper that a repository's configuration could name is not among them.
_TRANSPORTS = "file:git:http:https:ssh"
# A hook or alias that calls promptlab sets these, and they would point git at another repository, index or program.
_CALLERS_OWN = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
_SIGNING = ("to sign", "gpg failed", "signingkey", "public key", "load key", "no answer within")
_LAST_WORDS = 3.0  # seconds that a command which is ended has to take its locks away
_USAGE = 129  # git's exit status for an option it does not know
_NOT_FOUND = 127  # what `env` answers when there is no git


class Answer(NamedTuple):
    """What one git process said."""

    code: int
    out: bytes
    err: str


class Git:
    """Git in one folder. Safe to share between threads: each call has its own process, gone when the call returns.

    Args:
        folder: Where git runs.
        filters: Names of clean and process filters that the repository itself configures; reading leaves them out.
    """

    def __init__(self, folder: Path, filters: Sequence[str] = ()) -> None:
        self.folder = folder
        no_filters = [
            f"--config-env=filter.{name}.{key}=PROMPTLAB_NOTHING" for name in filters for key in _FILTER_KEYS
        ]
        self._read = [*_config(_READ_CONFIG), *_NO_HOOKS, *no_filters]
        self._write = _config(_WRITE_CONFIG)

    def read(self, *args: str, stdin: bytes | None = None, ok: Collection[int] = (0,)) -> bytes:
        """What git prints, byte for byte, with everything in the configuration that could run a program turned off.

        Raises:
            HistoryFault: Git is missing, or ended with a status that is not in ``ok``.
        """
        return _checked(args, self.try_read(*args, stdin=stdin), ok)

    def try_read(self, *args: str, stdin: bytes | None = None) -> Answer:
        """As ``read``, but any exit status is an answer."""
        return self._run(self._read, args, stdin, _ENVIRONMENT, lock=None, limit=None)

    def write(
        self,
        *args: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        lock: int | None = None,
        limit: float | None = None,
    ) -> bytes:
        """What a writing command prints.

        Args:
            *args: The command and its arguments.
            stdin: Bytes for its standard input.
            env: Variables on top of the surroundings.
            lock: Descriptor of a lock file, for the command that makes a ref. It runs hooks, has a session of its own
                and is waited for, so that no Ctrl-C or closed terminal stops it half way; should we be killed, it
                holds the lock to its end.
            limit: Seconds after which it is ended, for commands that may wait for a passphrase.

        Raises:
            HistoryFault: Git is missing, ran into ``limit``, or ended with a status other than 0.
        """
        # Of the hooks, only the one that may refuse a ref is for us; others expect the person's own index and branch.
        config = self._write if lock is not None else [*self._write, *_NO_HOOKS]
        surroundings = {**_ENVIRONMENT, **(env or {})}
        return _checked(args, self._run(config, args, stdin, surroundings, lock=lock, limit=limit), (0,))

    def move(self, *args: str, stdin: bytes, lock: int) -> Answer:
        """What git says when it is to move a branch, which it refuses when somebody else moved it meanwhile."""
        return self._run(self._write, args, stdin, _ENVIRONMENT, lock=lock, limit=None)

    def remote(self, *args: str, stdin: bytes | None = None) -> Answer:
        """What git says when it talks to a remote: the one thing that leaves this machine, and only when asked to.

        The person's own transport, credentials and hooks are used, as with a push or fetch of their own. Git asks for
        no password: a screen may own the terminal.

        Raises:
            HistoryFault: Git is missing.
        """
        surroundings = {**_ENVIRONMENT, "GIT_ALLOW_PROTOCOL": _TRANSPORTS}
        return self._run(self._write, args, stdin, surroundings, lock=None, limit=None)

    def write_index(
        self, *args: str, stdin: bytes | None = None, ok: Collection[int] = (0,), lock: int | None = None
    ) -> bytes:
        """A command that changes the person's own index: it stays split or sparse as they have it. No hook runs.

        With a ``lock``, as for ``write``, nothing stops it half way.

        Raises:
            HistoryFault: Git is missing, or ended with a status that is not in ``ok``.
        """
        config = [*_OWN, "-c", "core.fsmonitor=false", *_NO_HOOKS]
        return _checked(args, self._run(config, args, stdin, _ENVIRONMENT, lock=lock, limit=None), ok)

    def own(self, *args: str, env: Mapping[str, str] | None = None, limit: float | None = None) -> Answer:
        """A command that the person asked for by name, run as if they had typed it.

        Their configuration, hooks, signing program and language are used as they have them. Git may ask on the
        terminal; with a ``limit`` it cannot, because a screen owns the terminal, and is ended after so many seconds.

        Raises:
            HistoryFault: Git is missing.
        """
        # GitPython sets these two for its own reading; a hook has to see what the person has.
        language = {name: os.environ.get(name, "") for name in ("LC_ALL", "LANGUAGE")}
        return self._run(_OWN, args, None, language | dict(env or {}), lock=None, limit=limit, gently=True)

    def word(self, *args: str) -> str | None:
        """The one line a query prints, or None when git says there is no such thing."""
        answer = self.try_read(*args)
        return os.fsdecode(answer.out).removesuffix("\n") if answer.code == 0 else None

    def _run(
        self,
        config: Sequence[str],
        args: Sequence[str],
        stdin: bytes | None,
        env: Mapping[str, str],
        *,
        lock: int | None,
        limit: float | None,
        gently: bool = False,
    ) -> Answer:
        """Run git to its end. ``gently``: never kill it outright, as that would leave its locks behind."""
        started = time.perf_counter()
        # A session of its own can be ended with everything it started, and gets no Ctrl-C meant for us.
        alone = lock is not None or limit is not None
        runner = _runner()
        command = [
            *_dropped(env),
            str(runner.GIT_PYTHON_GIT_EXECUTABLE),
            "-C",
            str(self.folder),
            "--no-pager",
            *config,
            *args,
        ]
        try:
            handle = runner.execute(
                command,
                istream=None if stdin is None else subprocess.PIPE,
                as_process=True,
                env={"PROMPTLAB_NOTHING": "", **env},
                start_new_session=alone,
                pass_fds=() if lock is None else (lock,),
            )
        except _cannot_start() as error:
            calls.note(args, started, None, str(error))
            raise HistoryFault(NO_GIT) from error
        # GitPython leaves the type of what its Popen reads open. The handle must live on: its end ends the process.
        process = cast("subprocess.Popen[bytes]", handle.proc)  # pyright: ignore[reportUnknownMemberType]
        try:
            out, err = process.communicate(stdin, timeout=limit)
        except subprocess.TimeoutExpired:
            _end(process, group=alone, gently=gently)
            said = f"no answer within {limit:g} seconds"
            calls.note(args, started, -signal.SIGKILL, said)
            return Answer(-signal.SIGKILL, b"", said)
        except BaseException:
            # A Ctrl-C here: what holds the lock comes to its end, and so does what got the Ctrl-C itself; anything
            # else is gone before the caller cleans up.
            if lock is None and not gently:
                _end(process, group=alone)
            else:
                process.communicate()
            raise
        if process.returncode == _NOT_FOUND and command[0] == "env":
            raise HistoryFault(NO_GIT)
        answer = Answer(process.returncode, out, err.decode("utf-8", "replace"))
        calls.note(args, started, answer.code, answer.err)
        return answer


def plain(text: str, limit: int = 200) -> str:
    """One line of at most ``limit`` characters without control characters: for text that others wrote."""
    if text.isprintable() and len(text) <= limit and "  " not in text and text == text.strip():
        return text  # what nearly all titles are, and lists have thousands
    visible = "".join(character for character in text if character.isprintable() or character.isspace())
    return " ".join(visible.split())[:limit].strip()


def storage_fault(error: OSError, what: str) -> HistoryFault:
    """The sentence for a file of the repository that cannot be written."""
    return HistoryFault(_storage_sentence(error.strerror or str(error), what))


def _storage_sentence(reason: str, what: str) -> str:
    if "No space left" in reason or "Out of diskspace" in reason or "quota exceeded" in reason.lower():
        return f"The disk is full: {what} could not be written. Nothing was changed; free some space and try again."
    return (
        f"{what} cannot be written ({plain(reason)}). Nothing was changed; make the repository's .git folder writable"
        " and try again."
    )


def _checked(args: Sequence[str], answer: Answer, ok: Collection[int]) -> bytes:
    if answer.code in ok:
        return answer.out
    raise HistoryFault(explain(args[0], answer))


def explain(command: str, answer: Answer) -> str:
    """A sentence for a person out of what git said; git speaks English here (LC_ALL=C)."""
    err = answer.err
    if "auto-detection is disabled" in err or "tell me who you are" in err or "empty ident name" in err:
        return NO_IDENTITY
    if any(word in err for word in ("No space left", "Out of diskspace", "Read-only file system", "ermission")):
        return _storage_sentence(last_line(err), "the git repository")
    if any(word in err.lower() for word in _SIGNING):
        return NOT_SIGNED.format(plain(last_line(err)))
    if "index.lock" in err:
        return (
            "Another git command is changing this repository (.git/index.lock). Nothing was changed; wait for it, or"
            " remove that file if no git is running, then try again."
        )
    if "exists; cannot create" in err:
        return f"Another tag is in the way ({plain(last_line(err))}). Nothing was changed; rename or delete that tag."
    if "by hook" in err or "hook declined" in err:
        return "A reference-transaction hook of this repository refused it. Nothing was changed."
    if is_partial(answer):
        return (
            "This is a partial clone, and what was asked for is not in it: run `git fetch --refetch --no-filter` to"
            " get the whole history."
        )
    if answer.code == _USAGE:
        return f"This git is too old for `git {command}` as promptlab uses it: install git 2.31 or newer."
    if answer.code < 0:
        return f"`git {command}` was ended by signal {-answer.code}. Nothing was changed; try again."
    return f"`git {command}` failed: {plain(last_line(err)) or f'exit status {answer.code}'}."


def is_partial(answer: Answer) -> bool:
    """Whether git failed because a partial clone lacks what was asked for."""
    return "promisor" in answer.err or "lazy fetch" in answer.err


def last_line(err: str) -> str:
    """The line that says why: the first one marked fatal or error, else the last."""
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    marked = [line for line in lines if line.startswith(("fatal: ", "error: "))]
    return (marked or lines[-1:] or [""])[0].removeprefix("fatal: ").removeprefix("error: ").rstrip(".")


def _config(values: Mapping[str, str]) -> list[str]:
    return [part for key, value in values.items() for part in ("-c", f"{key}={value}")]


def _dropped(ours: Mapping[str, str]) -> list[str]:
    """A command prefix that takes the caller's own git variables away, but those that we set ourselves.

    GitPython copies the whole environment and can only add to it; ``env -u`` leaves this process's own alone.
    """
    present = [name for name in _CALLERS_OWN if name in os.environ and name not in ours]
    return ["env", *(part for name in present for part in ("-u", name))] if present else []


@cache
def _runner() -> git.Git:
    """GitPython's process runner. The import takes 0.1 s, so it waits for the first call."""
    # Without this, GitPython fails at import where there is no git; the first call says it better.
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    import git

    return git.Git()


def _cannot_start() -> tuple[type[Exception], ...]:
    from git.exc import GitCommandNotFound

    return (GitCommandNotFound, PermissionError)


def _end(process: subprocess.Popen[bytes], *, group: bool, gently: bool = False) -> None:
    kill = os.killpg if group else os.kill
    with contextlib.suppress(ProcessLookupError):
        if gently:
            kill(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=_LAST_WORDS)
        if group or process.returncode is None:
            kill(process.pid, signal.SIGKILL)
    process.communicate()
