from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from promptlab.errors import HistoryFault, NotFound
from promptlab.history.repository import Repository

from .conftest import V1, commit, dirty, make, sh, write


def children() -> set[int]:
    """Ids of this process's children, dead ones that nobody waited for included."""
    found: set[int] = set()
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found.update(map(int, task.read_text().split()))
    return found


class TestState:
    def test_clean(self, top: Path) -> None:
        state = Repository.open(top).state()
        assert (state.top, state.prefix, state.branch, state.operation, state.dirty) == (
            str(top),
            "",
            "main",
            None,
            0,
        )
        assert state.head == sh(top, "rev-parse", "HEAD").strip()

    def test_dirty_counts_staged_unstaged_and_untracked_paths(self, top: Path) -> None:
        dirty(top)
        # other.txt, third.txt, untracked.txt, and evalsets/support.toml, which is deleted in the index and untracked.
        assert Repository.open(top).state().dirty == 5

    def test_a_staged_rename_is_one_path(self, top: Path) -> None:
        sh(top, "mv", "third.txt", "1 new name.txt")
        assert Repository.open(top).state().dirty == 1

    def test_unborn(self, tmp_path: Path) -> None:
        repo = Repository.open(make(tmp_path / "new"))
        state = repo.state()
        assert (state.head, state.branch, repo.head()) == (None, "main", None)

    def test_detached(self, top: Path) -> None:
        sh(top, "checkout", "-q", "--detach")
        state = Repository.open(top).state()
        assert state.branch is None
        assert state.head == sh(top, "rev-parse", "HEAD").strip()

    @pytest.mark.parametrize("operation", ["merge", "rebase", "cherry-pick"])
    def test_operation_in_progress(self, top: Path, operation: str) -> None:
        sh(top, "checkout", "-qb", "side")
        commit(top, "side", triage=V1 + "# side\n")
        sh(top, "checkout", "-q", "main")
        commit(top, "main", triage=V1 + "# main\n")
        sh(top, operation, "side", ok=False)
        assert Repository.open(top).state().operation == operation

    def test_linked_worktree_shares_the_common_folder(self, top: Path) -> None:
        linked = top.parent / "linked"
        sh(top, "worktree", "add", "-q", str(linked), "-b", "other")
        repo = Repository.open(linked)
        assert repo.state().branch == "other"
        assert repo.common_dir == top / ".git"

    def test_takes_no_lock(self, top: Path) -> None:
        (top / ".git" / "index.lock").touch()
        before = (top / ".git" / "index").read_bytes()
        os.utime(top / "other.txt")
        assert Repository.open(top).state().dirty == 0
        assert (top / ".git" / "index").read_bytes() == before


class TestOpen:
    def test_workspace_below_the_top(self, top: Path) -> None:
        folder = top / "näme ü" / "work space"
        folder.mkdir(parents=True)
        repo = Repository.open(folder)
        assert (repo.prefix, repo.common_dir) == ("näme ü/work space", top / ".git")

    def test_no_repository(self, tmp_path: Path) -> None:
        with pytest.raises(HistoryFault) as fault:
            Repository.open(tmp_path)
        assert str(fault.value) == (
            f"{tmp_path} is not in a git repository: run `git init` here, or `promptlab init`,"
            " to keep versions and runs."
        )

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(HistoryFault, match="none is not a folder"):
            Repository.open(tmp_path / "none")

    def test_bare(self, top: Path, tmp_path: Path) -> None:
        sh(top, "clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
        with pytest.raises(HistoryFault, match=r"bare.git is a bare repository: open a clone with a working tree"):
            Repository.open(tmp_path / "bare.git")

    def test_inside_the_git_folder(self, top: Path) -> None:
        with pytest.raises(HistoryFault, match=r"is inside a \.git folder: open the working tree instead"):
            Repository.open(top / ".git")

    def test_dubious_ownership(self, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        with pytest.raises(HistoryFault) as fault:
            Repository.open(top)
        assert "belongs to another user" in str(fault.value)
        assert f"git config --global --add safe.directory {top}" in str(fault.value)

    def test_damaged_configuration(self, top: Path) -> None:
        write(top, ".git/config", "[core\n")
        with pytest.raises(HistoryFault, match=r"git cannot open the repository of .*bad config line 1"):
            Repository.open(top)

    @pytest.mark.parametrize("variable", ["", "GIT_DIR"])
    def test_no_git(self, top: Path, variable: str) -> None:
        # In a process of its own: GitPython remembers for good which git it found.
        script = (
            "import pathlib, sys\nfrom promptlab.errors import HistoryFault\n"
            "from promptlab.history.repository import Repository\n"
            "try: Repository.open(pathlib.Path(sys.argv[1]))\nexcept HistoryFault as fault: print(fault)"
        )
        (top / "bin").mkdir()
        (top / "bin" / "env").symlink_to("/usr/bin/env")
        env = {**os.environ, "PATH": str(top / "bin"), **({variable: "x"} if variable else {})}
        done = subprocess.run([sys.executable, "-c", script, str(top)], env=env, capture_output=True, text=True)
        assert done.stderr == ""
        assert done.stdout.startswith("git is not installed or not on PATH: install git")

    def test_importing_the_room_does_not_import_gitpython(self) -> None:
        script = (
            "import sys, promptlab.history.repository, promptlab.history.versions, promptlab.history.snapshot\n"
            "import promptlab.history.runs\nprint('git' in sys.modules)"
        )
        assert subprocess.check_output([sys.executable, "-c", script], text=True) == "False\n"

    def test_init_makes_an_unborn_main(self, tmp_path: Path) -> None:
        repo = Repository.init(tmp_path)
        assert (repo.state().head, repo.state().branch) == (None, "main")


class TestReading:
    def test_file_at_a_commit(self, top: Path) -> None:
        repo = Repository.open(top)
        assert repo.read_file(repo.rev_parse("main"), "prompts/triage.toml") == V1.encode()

    def test_file_without_final_newline_and_not_utf8(self, top: Path) -> None:
        write(top, "prompts/raw.toml", b"\xff\r\n\0x")
        head = commit(top, "raw")
        assert Repository.open(top).read_file(head, "prompts/raw.toml") == b"\xff\r\n\0x"

    def test_missing_file(self, top: Path) -> None:
        repo = Repository.open(top)
        head = repo.rev_parse("HEAD")
        with pytest.raises(NotFound, match=f"prompts/none.toml does not exist at {head[:12]}"):
            repo.read_file(head, "prompts/none.toml")

    @pytest.mark.parametrize("rev", ["--output=x", "-n1", "--exec=touch x"])
    def test_a_revision_is_never_an_option(self, top: Path, rev: str) -> None:
        with pytest.raises(NotFound) as fault:
            Repository.open(top).rev_parse(rev)
        assert str(fault.value) == f"{rev!r} is no git revision: a revision does not begin with '-'."
        assert not (top / "x").exists()

    @pytest.mark.parametrize("rev", ["", "nope", "main~20", "main:prompts", "a\0b", "main\nmain", "v1\x1b[31m"])
    def test_no_such_revision(self, top: Path, rev: str) -> None:
        with pytest.raises(NotFound, match=r"There is no commit '.*' in this repository") as fault:
            Repository.open(top).rev_parse(rev)
        assert str(fault.value).isprintable()

    @pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", ".git/config", "a/.GIT/config", "a\0b"])
    def test_paths_stay_inside_the_repository(self, top: Path, path: str) -> None:
        with pytest.raises(NotFound, match="is not a path inside this repository"):
            Repository.open(top).tree_path(path)

    def test_many_blobs_at_once(self, top: Path) -> None:
        repo = Repository.open(top)
        head = repo.rev_parse("HEAD")
        names = [
            f"{head}:other.txt",
            f"{head}:a missing file",
            f"{head}:prompts",
            f"{head}:prompts/triage.toml",
            "0" * 40,
        ]
        assert repo.blobs(names) == {names[0]: b"one\n", names[3]: V1.encode()}

    def test_threads_share_one_repository_and_no_child_is_left(self, top: Path) -> None:
        repo = Repository.open(top)
        head = repo.rev_parse("HEAD")
        read: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: read.extend(repo.read_file(head, "other.txt") for _ in range(10)))
            for _ in range(6)
        ]
        before = children()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        repo.close()
        assert read == [b"one\n"] * 60
        assert children() <= before


class TestSurroundings:
    def test_callers_git_variables_do_not_reach_git(
        self, top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elsewhere = make(tmp_path / "elsewhere")
        monkeypatch.setenv("GIT_DIR", str(elsewhere / ".git"))
        monkeypatch.setenv("GIT_WORK_TREE", str(elsewhere))
        monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "no-index"))
        state = Repository.open(top).state()
        assert (state.top, state.dirty) == (str(top), 0)
        assert os.environ["GIT_DIR"] == str(elsewhere / ".git")

    def test_sha256_repository(self, tmp_path: Path) -> None:
        folder = make(tmp_path / "sha256", "--object-format=sha256")
        head = commit(folder, "one", triage=V1)
        repo = Repository.open(folder)
        assert len(head) == 64
        assert repo.state().head == head
        assert repo.read_file(head, "prompts/triage.toml") == V1.encode()

    def test_an_unknown_option_means_git_is_too_old(self, top: Path) -> None:
        with pytest.raises(HistoryFault, match=r"This git is too old for `git status` .* install git 2.31 or newer"):
            Repository.open(top).git.read("status", "--no-such-option")
