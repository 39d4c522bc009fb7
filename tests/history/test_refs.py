from __future__ import annotations

from pathlib import Path

import pytest

from promptlab.history.refs import head_of, refs_of
from promptlab.history.repository import Repository

from .conftest import commit, make, sh

TAGS = "refs/tags/"


def told(top: Path, prefix: str) -> dict[str, str]:
    """The refs as git lists them."""
    lines = sh(top, "for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    return {name: value for value, name in (line.split(" ") for line in lines) if name.startswith(prefix)}


def test_loose_packed_moved_and_deleted_refs_are_what_git_lists(top: Path) -> None:
    for name in ("triage@v1", "triage@v2", "triage#production#1", "judges/kind@v1", "run/triage/x", "run/a b/y"):
        if " " not in name:
            sh(top, "tag", "-a", "-m", "m", name)
    sh(top, "pack-refs", "--all")
    first = sh(top, "rev-parse", "HEAD").strip()
    commit(top, "more", other="1")
    sh(top, "tag", "-d", "triage@v2")
    sh(top, "tag", "-f", "triage@v1")
    sh(top, "tag", "run/triage/z", first)
    (top / ".git" / "refs" / "tags" / "triage@v9.lock").write_text(first)
    repo = Repository.open(top)
    for prefix in (TAGS, f"{TAGS}run/", f"{TAGS}triage", f"{TAGS}judges/kind", f"{TAGS}none", f"{TAGS}none/of/them"):
        assert refs_of(repo.common_dir, [prefix]) == told(top, prefix) == repo.refs(prefix)
    both = repo.refs(f"{TAGS}triage", f"{TAGS}judges/kind")
    assert both == told(top, f"{TAGS}triage") | told(top, f"{TAGS}judges/kind")
    assert len(both) == 3


@pytest.mark.parametrize("packed", [False, True])
def test_head_is_what_git_says(top: Path, tmp_path: Path, packed: bool) -> None:
    commit(top, "more", other="1")
    sh(top, "branch", "feature/x", "HEAD~1")
    sh(top, "worktree", "add", "-q", str(tmp_path / "linked"), "feature/x")
    sh(top, "worktree", "add", "-q", "--detach", str(tmp_path / "detached"), "HEAD~1")
    if packed:
        sh(top, "pack-refs", "--all")
    for folder in (top, tmp_path / "linked", tmp_path / "detached"):
        repo = Repository.open(folder)
        expected = sh(folder, "rev-parse", "HEAD").strip()
        assert head_of(repo.git_dir, repo.common_dir) == expected == repo.head()


def test_where_refs_are_not_plain_files_git_is_asked(top: Path) -> None:
    head = sh(top, "rev-parse", "HEAD").strip()
    common = top / ".git"
    sh(top, "symbolic-ref", "refs/tags/same", "refs/heads/main")
    assert refs_of(common, [TAGS]) is None
    assert Repository.open(top).refs(TAGS) == {"refs/tags/same": head}
    sh(top, "symbolic-ref", "-d", "refs/tags/same")
    (common / "refs" / "tags" / "linked").symlink_to("../heads/main")
    assert refs_of(common, [TAGS]) is None
    (common / "refs" / "tags" / "linked").unlink()
    sh(top, "symbolic-ref", "refs/heads/alias", "refs/heads/main")
    sh(top, "symbolic-ref", "HEAD", "refs/heads/alias")
    assert head_of(common, common) is None
    assert Repository.open(top).head() == head


def test_a_table_of_refs_has_a_file_in_the_place_of_a_folder(top: Path) -> None:
    """As git leaves it in a repository with reftable: empty folders that say nothing."""
    sh(top, "pack-refs", "--all")
    common = top / ".git"
    (common / "refs" / "heads").rmdir()
    (common / "refs" / "heads").write_text("this repository uses the reftable format\n")
    (common / "HEAD").write_text("ref: refs/heads/.invalid\n")
    (common / "packed-refs").unlink()
    assert refs_of(common, [TAGS]) is None
    assert head_of(common, common) is None


def test_many_loose_refs_are_left_to_git(top: Path) -> None:
    head = sh(top, "rev-parse", "HEAD").strip()
    sh(top, "update-ref", "--stdin", stdin="".join(f"create {TAGS}t{at} {head}\n" for at in range(201)).encode())
    assert refs_of(top / ".git", [TAGS]) is None
    assert len(Repository.open(top).refs(TAGS)) == 201


def test_an_unborn_branch_and_a_damaged_ref(tmp_path: Path) -> None:
    repo = Repository.open(make(tmp_path / "new"))
    assert repo.head() is None
    assert repo.refs(TAGS) == {}
    (repo.common_dir / "refs" / "tags" / "torn").write_text("12ab")
    assert refs_of(repo.common_dir, [TAGS]) is None
    assert repo.refs(TAGS) == {}
