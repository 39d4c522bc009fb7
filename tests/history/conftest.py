"""Real repositories, shut off from the git configuration of the machine that runs the tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Shell = Callable[..., str]
V1 = '[[messages]]\nrole = "user"\ncontent = "Route: {{ ticket }}"\n'


@pytest.fixture(autouse=True)
def _own_world(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = own_home / "without identity"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith("GIT_") and not name.startswith("GIT_PYTHON")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("EMAIL", raising=False)


def sh(
    folder: Path, *args: str, ok: bool = True, stdin: bytes | None = None, env: dict[str, str] | None = None
) -> str:
    """What a person's own git prints in ``folder``."""
    done = subprocess.run(
        ["git", *args],
        cwd=folder,
        input=stdin,
        capture_output=True,
        env={**os.environ, **(env or {})},
        check=False,
        timeout=30,
    )
    assert not ok or done.returncode == 0, f"git {args}: {done.stderr.decode()}"
    return done.stdout.decode("utf-8", "surrogateescape")


def make(folder: Path, *init: str) -> Path:
    """A repository with an identity and no commit."""
    folder.mkdir(parents=True, exist_ok=True)
    sh(folder, "init", "-q", "-b", "main", *init)
    sh(folder, "config", "user.name", "Ann")
    sh(folder, "config", "user.email", "ann@example.com")
    return folder


def write(folder: Path, path: str, text: str | bytes) -> None:
    """A file of the working tree."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())


def commit(folder: Path, message: str, **files: str | bytes) -> str:
    """Writes ``files`` (``prompts/<key>.toml``) and commits everything."""
    for name, text in files.items():
        write(folder, f"prompts/{name}.toml", text)
    sh(folder, "add", "-A")
    sh(folder, "commit", "-q", "--allow-empty", "-m", message)
    return sh(folder, "rev-parse", "HEAD").strip()


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A repository with one prompt, one eval set and two other files, committed and clean."""
    folder = make(tmp_path / "repo")
    write(folder, "evalsets/support.toml", 'description = "tickets"\n')
    write(folder, "other.txt", "one\n")
    write(folder, "third.txt", "one\n")
    commit(folder, "one", triage=V1)
    return folder


def dirty(folder: Path) -> None:
    """Staged, unstaged, untracked and half-staged work, and a file taken out of the index only."""
    write(folder, "other.txt", "one\nstaged\n")
    sh(folder, "add", "other.txt")
    write(folder, "other.txt", "one\nstaged\nunstaged\n")
    write(folder, "third.txt", "changed\n")
    write(folder, "untracked.txt", "new\n")
    sh(folder, "rm", "-q", "--cached", "evalsets/support.toml")
