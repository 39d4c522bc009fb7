"""The person's own commit of prompt files: only these, with their hooks, and everything else as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from promptlab.errors import CommitRefused, HistoryFault, UsageFault
from promptlab.history.committing import commit
from promptlab.history.repository import Repository
from promptlab.history.staging import Edit, edits, staged_elsewhere

from .conftest import V1, dirty, make, sh, write
from .conftest import commit as commit_all

V2 = V1.replace("Route", "Route this")
TRIAGE = "prompts/triage.toml"


def hook(folder: Path, name: str, script: str) -> None:
    file = folder / ".git" / "hooks" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def others(folder: Path) -> tuple[str, str]:
    """What is staged, and what is not, besides the prompts."""
    rest = ("--", ".", ":!prompts")
    return sh(folder, "diff", "--cached", *rest), sh(folder, "status", "--porcelain", *rest)


def test_what_differs_from_head(top: Path) -> None:
    commit_all(top, "two", gone=V1, half=V1, out=V1, renamed=V1)
    write(top, TRIAGE, V2)
    write(top, "prompts/new/one.toml", V1)
    write(top, "prompts/half.toml", V2)
    sh(top, "add", "prompts/half.toml")
    write(top, "prompts/half.toml", V1 + "\n")
    (top / "prompts/gone.toml").unlink()
    sh(top, "rm", "-q", "--cached", "prompts/out.toml")
    write(top, ".gitignore", "prompts/secret.toml\n")
    write(top, "prompts/secret.toml", V1)
    write(top, "prompts/told.toml", V1)
    sh(top, "add", "-N", "prompts/told.toml")
    sh(top, "mv", "prompts/renamed.toml", "prompts/other name.toml")
    assert edits(Repository.open(top), ["prompts"]) == [
        Edit("prompts/gone.toml", "deleted"),
        Edit("prompts/half.toml", "changed", half=True),
        Edit("prompts/new/one.toml", "new"),
        Edit("prompts/other name.toml", "new"),
        Edit("prompts/out.toml", "changed", half=True),
        Edit("prompts/renamed.toml", "deleted"),
        Edit("prompts/secret.toml", "ignored"),
        Edit("prompts/told.toml", "new"),
        Edit(TRIAGE, "changed"),
    ]


def test_only_the_named_files_and_nothing_else_moves(top: Path) -> None:
    dirty(top)
    write(top, TRIAGE, V2)
    write(top, "prompts/new one.toml", V1)
    before = others(top)
    repo = Repository.open(top)
    assert staged_elsewhere(repo, [TRIAGE]) == 2
    made = commit(repo, [TRIAGE, "prompts/new one.toml"], "Say this\n\n# why\n")
    assert (made.commit, made.parent) == (repo.head(), sh(top, "rev-parse", "HEAD~1").strip())
    assert (made.branch, made.title, made.notes) == ("refs/heads/main", "Say this", ())
    assert sh(top, "show", "--format=%an%n%B", "--name-status", "HEAD") == (
        "Ann\nSay this\n\n# why\n\n\nA\tprompts/new one.toml\nM\tprompts/triage.toml\n"
    )
    assert others(top) == before
    assert sh(top, "status", "--porcelain", "--", "prompts") == ""


def test_a_part_that_was_staged_of_the_file_itself_goes_whole(top: Path) -> None:
    write(top, TRIAGE, V2)
    sh(top, "add", TRIAGE)
    write(top, TRIAGE, V2 + "\n# more\n")
    (top / "prompts/old.toml").write_text(V1)
    commit(Repository.open(top), [TRIAGE], "two")
    assert sh(top, "show", f"HEAD:{TRIAGE}").endswith("# more\n")
    assert sh(top, "status", "--porcelain") == "?? prompts/old.toml\n"


def test_a_file_that_is_gone_and_one_that_was_only_told_of(top: Path) -> None:
    write(top, "prompts/told.toml", V1)
    sh(top, "add", "-N", "prompts/told.toml")
    (top / TRIAGE).unlink()
    commit(Repository.open(top), [TRIAGE, "prompts/told.toml"], "move it")
    assert sh(top, "show", "--format=", "--name-status", "--no-renames", "HEAD") == (
        "A\tprompts/told.toml\nD\tprompts/triage.toml\n"
    )
    assert sh(top, "status", "--porcelain") == ""


@pytest.mark.parametrize("kind", ["pre-commit", "commit-msg", "reference-transaction"])
def test_a_hook_that_refuses_shows_what_it_said_and_loses_nothing(top: Path, kind: str) -> None:
    dirty(top)
    write(top, TRIAGE, V2)
    write(top, "prompts/new.toml", V1)
    hook(top, kind, 'echo "no: $LANG [bold]"\necho more >&2\nexit 1')
    before = sh(top, "ls-files", "-s"), sh(top, "status", "--porcelain"), sh(top, "rev-parse", "HEAD")
    with pytest.raises(CommitRefused, match=r"^Git made no commit\. Nothing is lost: ") as refused:
        commit(Repository.open(top), [TRIAGE, "prompts/new.toml"], "two")
    assert "no: " in refused.value.output
    assert "more" in refused.value.output
    assert (sh(top, "ls-files", "-s"), sh(top, "status", "--porcelain"), sh(top, "rev-parse", "HEAD")) == before


def test_hooks_see_what_they_see_with_git_itself(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    hook(top, "pre-commit", "env | sort > seen; git diff --cached --name-only -- 'prompts/*.toml' > changed")
    write(top, TRIAGE, V2)
    commit(Repository.open(top), [TRIAGE], "two")
    seen = (top / "seen").read_text()
    assert "LC_ALL=C.UTF-8\n" in seen
    assert "GIT_LITERAL_PATHSPECS" not in seen
    assert "GIT_ALLOW_PROTOCOL" not in seen
    assert (top / "changed").read_text() == f"{TRIAGE}\n"


def test_a_hook_that_formats_and_stages_what_it_formatted(top: Path) -> None:
    dirty(top)
    before = others(top)
    write(top, TRIAGE, V2)
    hook(top, "pre-commit", f"echo '# formatted' >> {TRIAGE}; git add {TRIAGE}; rm -f .git/none")
    made = commit(Repository.open(top), [TRIAGE], "two")
    assert made.notes == (f"A hook changed {TRIAGE}. That text is what was committed.",)
    assert sh(top, "show", f"HEAD:{TRIAGE}").endswith("# formatted\n")
    assert others(top) == before
    assert sh(top, "status", "--porcelain", "--", "prompts") == "", "git itself would leave the old text staged"


def test_a_hook_that_formats_and_does_not_stage(top: Path) -> None:
    write(top, TRIAGE, V2)
    hook(top, "pre-commit", f"echo '# formatted' >> {TRIAGE}")
    made = commit(Repository.open(top), [TRIAGE], "two")
    assert made.notes == (f"A hook changed {TRIAGE}. That change is not in the commit.",)
    assert sh(top, "status", "--porcelain") == f" M {TRIAGE}\n"
    hook(top, "pre-commit", f"echo '# again' >> {TRIAGE}; exit 1")
    with pytest.raises(CommitRefused, match=rf"^Git made no commit, and a hook changed {TRIAGE}: look at it, then"):
        commit(Repository.open(top), [TRIAGE], "three")


def test_a_hook_that_commits_another_file_along(top: Path) -> None:
    write(top, "third.txt", "staged by the person\n")
    sh(top, "add", "third.txt")
    write(top, TRIAGE, V2)
    hook(top, "pre-commit", "echo list > list.txt; echo x > third.txt; git add list.txt third.txt")
    made = commit(Repository.open(top), [TRIAGE], "two")
    assert made.notes == ("A hook committed other files along with it: list.txt, third.txt.",)
    # The person's own staged text is still staged, and what the hook made is simply committed.
    assert sh(top, "status", "--porcelain") == "MM third.txt\n"
    assert sh(top, "show", ":third.txt") == "staged by the person\n"


def test_a_message_hook_is_heard(top: Path) -> None:
    write(top, TRIAGE, V2)
    hook(top, "commit-msg", 'printf "\\nSigned-off-by: Ann\\n" >> "$1"')
    hook(top, "post-commit", "exit 3")
    assert commit(Repository.open(top), [TRIAGE], "two").title == "two"
    assert sh(top, "log", "-1", "--format=%B").rstrip().endswith("Signed-off-by: Ann")


@pytest.mark.parametrize("options", [(), ("--object-format=sha256",)])
def test_the_first_commit_of_a_repository(tmp_path: Path, options: tuple[str, ...]) -> None:
    folder = make(tmp_path / "young", *options)
    write(folder, TRIAGE, V1)
    write(folder, "mine.txt", "x")
    sh(folder, "add", "mine.txt")
    repo = Repository.open(folder)
    hook(folder, "pre-commit", "exit 1")
    with pytest.raises(CommitRefused):
        commit(repo, [TRIAGE], "one")
    assert sh(folder, "status", "--porcelain") == "A  mine.txt\n?? prompts/\n"
    hook(folder, "pre-commit", f"echo '#' >> {TRIAGE}; git add {TRIAGE}")
    made = commit(repo, [TRIAGE], "one")
    assert made.parent == ""
    assert sh(folder, "status", "--porcelain") == "A  mine.txt\n"
    assert sh(folder, "ls-tree", "-r", "--name-only", "HEAD") == f"{TRIAGE}\n"
    sh(folder, "fsck", "--strict")


@pytest.mark.parametrize("setup", [("core.splitIndex", "true"), ("index.version", "4"), ("core.autocrlf", "input")])
def test_any_kind_of_index(top: Path, setup: tuple[str, str]) -> None:
    sh(top, "config", *setup)
    dirty(top)
    before = others(top)
    write(top, TRIAGE, V2.replace("\n", "\r\n") if setup[0] == "core.autocrlf" else V2)
    hook(top, "pre-commit", f"echo '#' >> {TRIAGE}; git add {TRIAGE}")
    commit(Repository.open(top), [TRIAGE], "two")
    assert others(top) == before
    assert sh(top, "status", "--porcelain", "--", "prompts") == ""


def test_below_the_top_with_a_difficult_name(tmp_path: Path) -> None:
    folder = make(tmp_path / "outer")
    write(folder, "a [b]/prompts/*.toml", V1)
    write(folder, "a [b]/prompts/x.toml", V1)
    commit_all(folder, "one")
    write(folder, "a [b]/prompts/*.toml", V2)
    write(folder, "a [b]/prompts/x.toml", V2)
    commit(Repository.open(folder / "a [b]"), ["prompts/*.toml"], "two")
    assert sh(folder, "show", "--format=", "--name-only", "-z", "HEAD") == "a [b]/prompts/*.toml\0"


def test_a_linked_worktree_without_a_branch(top: Path, tmp_path: Path) -> None:
    sh(top, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    write(tmp_path / "linked", TRIAGE, V2)
    made = commit(Repository.open(tmp_path / "linked"), [TRIAGE], "two")
    assert made.branch == ""
    assert sh(top, "rev-parse", "HEAD").strip() == made.parent


@pytest.mark.parametrize("mark", ["MERGE_HEAD", "rebase-merge"])
def test_in_the_middle_of_something_it_says_so(top: Path, mark: str) -> None:
    write(top, TRIAGE, V2)
    path = top / ".git" / mark
    path.mkdir() if mark == "rebase-merge" else path.write_text(sh(top, "rev-parse", "HEAD"))
    with pytest.raises(UsageFault, match=r"^A (merge|rebase) is in progress in this repo"):
        commit(Repository.open(top), [TRIAGE], "two")


def test_what_must_be_right_before_git_is_asked(top: Path) -> None:
    write(top, TRIAGE, V2)
    with pytest.raises(UsageFault, match=r"^A commit needs a message"):
        commit(Repository.open(top), [TRIAGE], " \n")
    sh(top, "config", "--unset", "user.email")
    with pytest.raises(HistoryFault, match=r"^git does not know who you are"):
        commit(Repository.open(top), [TRIAGE], "two")


def test_an_index_that_somebody_holds_is_gits_own_sentence(top: Path) -> None:
    write(top, TRIAGE, V2)
    (top / ".git" / "index.lock").touch()
    with pytest.raises(CommitRefused) as refused:
        commit(Repository.open(top), [TRIAGE], "two")
    assert "index.lock" in refused.value.output


def test_a_commit_is_signed_when_the_person_signs(top: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    assert os.system(f"ssh-keygen -q -t ed25519 -N '' -f {key}") == 0
    for name, value in (("gpg.format", "ssh"), ("user.signingkey", str(key)), ("commit.gpgsign", "true")):
        sh(top, "config", name, value)
    write(top, TRIAGE, V2)
    commit(Repository.open(top), [TRIAGE], "two")
    assert "-----BEGIN SSH SIGNATURE-----" in sh(top, "cat-file", "commit", "HEAD")
    key.unlink()
    write(top, TRIAGE, V1)
    with pytest.raises(CommitRefused) as refused:
        commit(Repository.open(top), [TRIAGE], "three")
    assert refused.value.output


def test_a_hook_that_hangs_is_ended_and_leaves_no_lock(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlab.history.committing.PATIENCE", 0.5)
    hook(top, "pre-commit", "sleep 60")
    write(top, TRIAGE, V2)
    with pytest.raises(CommitRefused) as refused:
        commit(Repository.open(top), [TRIAGE], "two", screen=True)
    assert refused.value.output == "no answer within 0.5 seconds"
    assert not (top / ".git" / "index.lock").exists()
    hook(top, "pre-commit", "exit 0")
    hook(top, "post-commit", "sleep 60")
    assert commit(Repository.open(top), [TRIAGE], "two", screen=True).title == "two", "it was made before the hook"
