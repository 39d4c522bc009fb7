"""A copy of the example: what lies in it, how it came to be, and that nothing of the person's own is touched."""

from __future__ import annotations

import itertools
import subprocess
import time
from pathlib import Path

import pytest

from promptlab import demo
from promptlab.demo.example import story, workspace_folder
from promptlab.errors import HistoryFault, StorageFault, UsageFault
from promptlab.history.repository import Repository
from promptlab.history.versions import versions

REPOSITORY = Path(__file__).parents[2]


def git(folder: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=True).stdout


def files(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` but those of git."""
    found = (path for path in folder.rglob("*") if path.is_file())
    names = {str(path.relative_to(folder)): path for path in found}
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith(".git/")}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    demo.create(tmp_path / "copy")
    return tmp_path / "copy"


def test_a_copy_holds_the_packaged_workspace_a_readme_and_nothing_else(copy: Path) -> None:
    here = files(copy)
    assert here.pop("README.md").startswith(b"# The promptlab demo")
    packaged = git(REPOSITORY, "ls-files", "prompts", "evalsets", "promptlab.toml").split()
    assert here == {name: (REPOSITORY / name).read_bytes() for name in packaged}


def test_a_copy_is_a_clean_repository_on_main(copy: Path) -> None:
    assert git(copy, "status", "--porcelain") == ""
    assert git(copy, "branch", "--show-current") == "main\n"
    assert demo.is_demo(copy)


def test_the_history_tells_how_triage_came_to_be(copy: Path) -> None:
    repo = Repository.open(copy)
    found = versions(repo, "triage", "prompts/triage.toml")
    assert [(version.label, version.subject) for version in found] == [
        ("v1", "Route support tickets: an eval set and a first prompt"),
        ("v2", "triage: name the five teams"),
        ("v3", "triage: ask for the label only"),
        ("v4", "triage: say which team gets the disputed tickets"),
    ]
    assert len({version.content for version in found}) == 4
    assert {version.author for version in found} == {"promptlab demo"}


def test_the_commits_are_minutes_apart_and_in_the_past(copy: Path) -> None:
    times = [int(line) for line in git(copy, "log", "--reverse", "--format=%at").split()]
    assert times == [int(line) for line in git(copy, "log", "--reverse", "--format=%ct").split()]
    assert all(60 <= after - before <= 3600 for before, after in itertools.pairwise(times))
    assert time.time() - 86_400 < times[0] < times[-1] < time.time()


def test_the_story_ends_with_every_packaged_file_as_it_is() -> None:
    brought = [path for step in story() for path in step.files]
    assert len(brought) == len(set(brought))
    assert all((workspace_folder() / path).is_file() for path in brought)


def test_an_empty_folder_is_filled_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    demo.create(Path("."))
    assert demo.is_demo(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".git",
        "README.md",
        "evalsets",
        "promptlab.toml",
        "prompts",
    ]
    assert git(tmp_path, "status", "--porcelain") == ""


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageFault, match=r"is not empty: name a new or empty folder for the example\.$"):
        demo.create(tmp_path)
    with pytest.raises(UsageFault, match="is a file: name a new or empty folder"):
        demo.create(tmp_path / "mine.txt")
    with pytest.raises(UsageFault, match="is no copy of the demo, so it is left as it is"):
        demo.replace(tmp_path)
    assert files(tmp_path) == {"mine.txt": b"mine"}


def test_a_second_copy_is_not_laid_over_the_first(copy: Path) -> None:
    with pytest.raises(UsageFault, match=r"already holds a copy of the demo: open it, or start over with --fresh\.$"):
        demo.create(copy)


def test_starting_over_keeps_the_old_copy_aside(copy: Path) -> None:
    (copy / "prompts/triage.toml").write_text("mine")
    aside = demo.replace(copy)
    assert aside.parent == copy.parent
    assert aside.name.startswith("copy-20")
    assert (aside / "prompts/triage.toml").read_text() == "mine"
    assert git(copy, "status", "--porcelain") == ""
    again = demo.replace(copy)
    assert len({copy, aside, again}) == 3
    assert all(map(demo.is_demo, (copy, aside, again)))


def test_a_clone_of_a_copy_is_the_persons_own(copy: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(copy), "clone")
    assert not demo.is_demo(tmp_path / "clone")


def test_without_git_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo.create(tmp_path / "old")
    before = files(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HistoryFault, match="git is not installed"):
        demo.create(tmp_path / "new")
    with pytest.raises(HistoryFault, match="git is not installed"):
        demo.replace(tmp_path / "old")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert demo.is_demo(tmp_path / "old")
    assert files(tmp_path) == before


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFault, match=r"could not be written to .*file/copy \((Not a directory|File exists)\)"):
        demo.create(tmp_path / "file" / "copy")


def test_the_persons_hooks_and_signing_key_take_no_part(tmp_path: Path, own_home: Path) -> None:
    hooks = own_home / "template" / "hooks"
    hooks.mkdir(parents=True)
    for name in ("pre-commit", "commit-msg", "post-commit"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {own_home}/ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    settings = f"[commit]\n\tgpgSign = true\n[init]\n\ttemplateDir = {hooks.parent}\n"
    (own_home / ".gitconfig").write_text((own_home / ".gitconfig").read_text() + settings)
    demo.create(tmp_path / "copy")
    assert not (own_home / "ran").exists()
    assert "gpgsig" not in git(tmp_path / "copy", "cat-file", "commit", "HEAD")


def test_a_persons_identity_is_used_where_there_is_one(copy: Path, tmp_path: Path, own_home: Path) -> None:
    assert git(copy, "config", "--get-all", "user.name") == "Ada Tester\n"
    (own_home / ".gitconfig").write_text("[user]\n\tname = Ada\n")
    demo.create(tmp_path / "other")
    assert git(tmp_path / "other", "config", "--get-all", "user.name") == "Ada\n"
    assert git(tmp_path / "other", "config", "--get-all", "user.email") == "user@promptlab.invalid\n"


def test_the_default_folder_is_below_the_users_data(own_home: Path) -> None:
    assert demo.default_folder() == own_home / "data" / "promptlab" / "demo"


def test_the_packaged_models_are_where_they_are_said_to_be() -> None:
    assert {path.name for path in demo.models_folder().glob("*.gguf")} == {"mini.gguf", "nano.gguf"}
