from __future__ import annotations

from pathlib import Path

import pytest

from promptlab.errors import NotFound, StorageFault
from promptlab.history.fresh import commit_files
from promptlab.history.repository import Repository
from promptlab.history.versions import versions

from .conftest import V1, sh


def seed(repo: Repository, message: str, time: int, **files: str) -> str:
    named = {f"prompts/{name}.toml": text.encode() for name, text in files.items()}
    return commit_files(repo, named, message, author_name="Promptlab", author_email="demo@example.org", time=time)


def test_a_short_history_without_any_identity(tmp_path: Path) -> None:
    repo = Repository.init(tmp_path)
    first = seed(repo, "Vague", 1_700_000_000, triage=V1)
    second = seed(repo, "With rules", 1_700_086_400, triage=V1 + "\n[params]\ntemperature = 0.0\n")
    assert sh(tmp_path, "log", "--format=%H %an <%ae> %at %s").splitlines() == [
        f"{second} Promptlab <demo@example.org> 1700086400 With rules",
        f"{first} Promptlab <demo@example.org> 1700000000 Vague",
    ]
    state = repo.state()
    assert (state.head, state.branch, state.dirty) == (second, "main", 0)
    assert [version.label for version in versions(repo, "triage", "prompts/triage.toml")] == ["v1", "v2"]
    assert sh(tmp_path, "config", "--local", "--get-regexp", "^user", ok=False) == ""


def test_the_same_history_has_the_same_ids(tmp_path: Path) -> None:
    ids: set[str] = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ids.add(seed(Repository.init(tmp_path / name), "Vague", 1_700_000_000, triage=V1))
    assert len(ids) == 1


def test_a_persons_own_settings_do_not_get_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    (tmp_path / "ignore").write_text("*.toml\n")
    config = tmp_path / "gitconfig"
    config.write_text(
        f"[core]\nhooksPath = {hooks}\nexcludesFile = {tmp_path / 'ignore'}\nautocrlf = input\n"
        "[commit]\ngpgsign = true\n[gpg]\nprogram = false\n[init]\ndefaultBranch = trunk\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    (tmp_path / "demo").mkdir()
    repo = Repository.init(tmp_path / "demo")
    seed(repo, "Vague", 1_700_000_000, triage=V1)
    assert (repo.state().branch, repo.state().dirty) == ("main", 0)


def test_paths_stay_inside(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    repo = Repository.init(tmp_path / "demo")
    with pytest.raises(NotFound, match="is not a path inside this repository"):
        commit_files(repo, {"../x": b""}, "x", author_name="a", author_email="b", time=1)
    assert not (tmp_path / "x").exists()


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    repo = Repository.init(tmp_path)
    (tmp_path / "prompts").write_text("in the way")
    with pytest.raises(StorageFault, match=r"prompts/triage\.toml cannot be written"):
        seed(repo, "Vague", 1, triage=V1)
