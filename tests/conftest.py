"""Every test has a home of its own: no cache, state, key or git identity of the person who runs them."""

from __future__ import annotations

import gc
import itertools
import os
from pathlib import Path

import hypothesis
import pytest
from hypothesis import settings

settings.register_profile("promptlab", deadline=None)  # a busy machine is no slow test
settings.load_profile("promptlab")

GIT_IDENTITY = '[user]\n\tname = "Ada Tester"\n\temail = "ada@example.org"\n[init]\n\tdefaultBranch = main\n'

# A busy machine takes its time: how long an example takes says nothing about the program.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")

_numbers = itertools.count()


def pytest_collection_finish() -> None:
    """What has been imported by now stays: no collection of garbage has to walk through all of it again."""
    gc.freeze()


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder beside those of the tests, which pytest lists each time that it makes one more."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs that tests start keep their bytecode, when they may not keep it beside the source."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "bytecode"


@pytest.fixture(autouse=True)
def own_home(homes: Path, bytecode: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = homes / str(next(_numbers))
    home.mkdir()
    (home / ".gitconfig").write_text(GIT_IDENTITY)
    for name in ("CACHE", "STATE", "DATA", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    for name in ("PROMPTLAB_CACHE", "PROMPTLAB_STATE", "PROMPTLAB_LOG_DIR", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):  # every program would compile all that it imports
        monkeypatch.delenv("PYTHONDONTWRITEBYTECODE")
        monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(bytecode))
    # No test cuts the power, and a busy disk takes tenths of a second; a descriptor that is none is still refused.
    monkeypatch.setattr(os, "fsync", os.fstat)
    return home
