from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from promptlab.errors import HistoryFault, NotFound
from promptlab.history.repository import Repository
from promptlab.history.values import Version
from promptlab.history.versions import at_revision, version_bytes, versions
from promptlab.workspace.identity import content_hash

from .conftest import V1, commit, make, sh, write

V2 = V1.replace("Route", "Route this ticket")
V3 = V1.replace("Route", "Answer with one label. Route")


def numbers(found: list[Version]) -> list[tuple[int, str]]:
    return [(version.number, version.subject) for version in found]


def of(folder: Path, path: str = "prompts/triage.toml") -> list[Version]:
    return versions(Repository.open(folder), "triage", path)


def test_oldest_first_with_all_that_is_known(top: Path) -> None:
    second = commit(top, "say more", triage=V2)
    found = of(top)
    assert numbers(found) == [(1, "one"), (2, "say more")]
    assert found[1] == Version(
        number=2,
        content=content_hash(tomllib.loads(V2)),
        blob=sh(top, "rev-parse", "HEAD:prompts/triage.toml").strip(),
        commit=second,
        time=int(sh(top, "log", "-1", "--format=%at")),
        author="Ann",
        subject="say more",
        path="prompts/triage.toml",
    )
    assert found[1].label == "v2"


def test_a_reverted_content_keeps_its_first_number(top: Path) -> None:
    commit(top, "two", triage=V2)
    commit(top, "back", triage=V1)
    commit(top, "three", triage=V3)
    assert numbers(of(top)) == [(1, "one"), (2, "two"), (3, "three")]


def test_comments_and_descriptions_make_no_version(top: Path) -> None:
    commit(top, "comment", triage="# why\n" + V1)
    commit(top, "crlf", triage=V1.replace("\n", "\r\n"))
    commit(top, "describe", triage='description = "x"\n' + V1)
    assert numbers(of(top)) == [(1, "one")]


def test_renames_are_followed(top: Path) -> None:
    commit(top, "two", triage=V2)
    sh(top, "mv", "prompts/triage.toml", "prompts/näch ste.toml")
    sh(top, "commit", "-qm", "rename")
    write(top, "prompts/näch ste.toml", V3)
    commit(top, "three")
    found = of(top, "prompts/näch ste.toml")
    assert numbers(found) == [(1, "one"), (2, "two"), (3, "three")]
    assert [version.path for version in found] == ["prompts/triage.toml"] * 2 + ["prompts/näch ste.toml"]


def test_a_copy_is_a_prompt_of_its_own(top: Path) -> None:
    commit(top, "two", triage=V2)
    commit(top, "copy", reply=V2)
    commit(top, "own way", reply=V3)
    assert numbers(of(top, "prompts/reply.toml")) == [(1, "copy"), (2, "own way")]


def test_deleted_and_made_anew(top: Path) -> None:
    (top / "prompts" / "triage.toml").unlink()
    commit(top, "drop")
    assert numbers(of(top)) == [(1, "one")]
    commit(top, "again", triage=V2)
    assert numbers(of(top)) == [(1, "one"), (2, "again")]


def test_a_merge_counts_as_one_step_of_the_first_parent(top: Path) -> None:
    sh(top, "checkout", "-qb", "topic")
    commit(top, "try", triage=V2)
    commit(top, "try more", triage=V3)
    sh(top, "checkout", "-q", "main")
    write(top, "other.txt", "two\n")
    commit(top, "meanwhile")
    sh(top, "merge", "-q", "--no-ff", "-m", "merge topic", "topic")
    assert numbers(of(top)) == [(1, "one"), (2, "merge topic")]


def test_what_came_since_the_last_look_is_the_same_as_a_first_look(top: Path) -> None:
    repo = Repository.open(top)

    def at_once() -> list[Version]:
        for file in (top / ".git" / "promptlab").glob("versions-*"):
            file.unlink()
        return versions(repo, "triage", "prompts/triage.toml")

    assert versions(repo, "triage", "prompts/triage.toml")
    commit(top, ":sparkles: another file", other=V1.replace("Route", "Number 1"))
    commit(top, ":art: nicer", triage=V1.replace("Route", "Sort"))
    commit(top, ": \n:100644 nothing", other=V1.replace("Route", "Number 2"))
    sh(top, "checkout", "-q", "-b", "side")
    commit(top, "on the side", triage=V1.replace("Route", "Send"))
    sh(top, "checkout", "-q", "main")
    commit(top, "on main", other=V1.replace("Route", "Number 3"))
    sh(top, "merge", "-q", "--no-ff", "-m", "merged", "side")
    commit(top, "after", other=V1.replace("Route", "Number 4"))
    newer = versions(repo, "triage", "prompts/triage.toml")
    assert [version.subject for version in newer][-2:] == [":art: nicer", "merged"]
    assert newer == at_once()
    sh(top, "reset", "-q", "--hard", "HEAD~2")
    assert versions(repo, "triage", "prompts/triage.toml") == at_once() == newer[:-1]


def test_invalid_toml_is_shown_and_takes_no_number(top: Path) -> None:
    broken = commit(top, "oops", triage=V1 + "[[messages\n")
    commit(top, "not text", triage=b"\xff\xfe")
    commit(top, "two", triage=V2)
    found = of(top)
    assert numbers(found) == [(1, "one"), (0, "oops"), (0, "not text"), (2, "two")]
    assert found[1].error.startswith("line 4: This is not valid TOML")
    assert found[2].error == "line 1: The file is not UTF-8 text (byte 0xff)."
    assert (found[1].commit, found[1].content, found[1].label) == (broken, "", "invalid")


def test_workspace_below_the_top(tmp_path: Path) -> None:
    folder = make(tmp_path / "repo")
    write(folder, "old/triage.toml", V1)
    commit(folder, "one")
    (folder / "my ünit" / "prompts").mkdir(parents=True)
    sh(folder, "mv", "old/triage.toml", "my ünit/prompts/triage.toml")
    sh(folder, "commit", "-qm", "move")
    write(folder, "my ünit/prompts/triage.toml", V2)
    commit(folder, "two")
    repo = Repository.open(folder / "my ünit")
    found = versions(repo, "triage", "prompts/triage.toml")
    assert [version.path for version in found] == ["../old/triage.toml", "prompts/triage.toml"]
    # The path of a version opens it, wherever the file was then.
    assert [repo.read_file(version.commit, version.path) for version in found] == [V1.encode(), V2.encode()]


def test_texts_come_from_one_process(top: Path) -> None:
    commit(top, "two", triage=V2)
    repo = Repository.open(top)
    found = versions(repo, "triage", "prompts/triage.toml")
    assert version_bytes(repo, found) == {found[0].blob: V1.encode(), found[1].blob: V2.encode()}


def test_unborn_and_never_committed(tmp_path: Path, top: Path) -> None:
    assert of(make(tmp_path / "new")) == []
    assert of(top, "prompts/none.toml") == []


def test_a_symbolic_link_is_no_version(top: Path) -> None:
    (top / "prompts" / "triage.toml").unlink()
    (top / "prompts" / "triage.toml").symlink_to("/etc/passwd")
    commit(top, "link")
    assert numbers(of(top)) == [(1, "one")]


def test_hostile_author_and_subject_are_plain_text(top: Path) -> None:
    sh(top, "config", "user.name", "A\x1b[31m\x01nn")
    commit(top, "red \x1b[31m\x02 end", triage=V2)
    found = of(top)
    assert (found[1].author, found[1].subject) == ("A[31mnn", "red [31m end")


def test_damaged_history_is_a_sentence(top: Path) -> None:
    head = sh(top, "rev-parse", "HEAD").strip()
    (top / ".git" / "objects" / head[:2] / head[2:]).unlink()
    repo = Repository.open(top)
    with pytest.raises(HistoryFault, match=r"^`git log` failed: "):
        versions(repo, "triage", "prompts/triage.toml")


def test_a_lost_blob_leaves_its_version_out(top: Path) -> None:
    commit(top, "two", triage=V2)
    lost = sh(top, "rev-parse", "HEAD~1:prompts/triage.toml").strip()
    (top / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    assert numbers(of(top)) == [(1, "two")]


class TestMemo:
    def memo(self, top: Path) -> Path:
        for file in (top / ".git" / "promptlab").glob("versions-*.json"):
            file.unlink()  # it is asked before the memo
        (file,) = (top / ".git" / "promptlab").glob("contents-*.jsonl")
        return file

    def test_second_look_parses_nothing_anew(self, top: Path) -> None:
        first = of(top)
        before = self.memo(top).read_bytes()
        assert of(top) == first
        assert self.memo(top).read_bytes() == before

    @pytest.mark.parametrize("damage", [b"", b"\xff\0garbage\n{}\n", b'{"blob": 3}\n[', b'{"blob":"x","con'])
    def test_damage_is_survived_and_mended(self, top: Path, damage: bytes) -> None:
        first = of(top)
        self.memo(top).write_bytes(damage)
        assert of(top) == first
        mended = self.memo(top).read_bytes()
        assert of(top) == first
        assert self.memo(top).read_bytes() == mended

    def test_a_memo_that_cannot_be_kept_is_no_fault(self, top: Path) -> None:
        (top / ".git" / "promptlab").write_text("in the way")
        assert numbers(of(top)) == [(1, "one")]

    def test_a_link_out_of_the_repository_is_not_written_through(self, top: Path, tmp_path: Path) -> None:
        of(top)
        target = tmp_path / "bashrc"
        target.write_text("mine")
        self.memo(top).unlink()
        self.memo_link(top).symlink_to(target)
        assert numbers(of(top)) == [(1, "one")]
        assert target.read_text() == "mine"

    def memo_link(self, top: Path) -> Path:
        return top / ".git" / "promptlab" / f"contents-{content_hash({})}.jsonl"


class TestAtRevision:
    def test_branch_tag_hash_and_relative(self, top: Path) -> None:
        first = sh(top, "rev-parse", "HEAD").strip()
        sh(top, "tag", "-a", "-m", "x", "good")
        commit(top, "two", triage=V2)
        repo = Repository.open(top)
        for rev in ("main~1", "good", first, first[:10]):
            assert at_revision(repo, rev, ["prompts/triage.toml"]) == V1.encode()
        assert at_revision(repo, "main", ["prompts/triage.toml"]) == V2.encode()

    def test_refused_and_missing(self, top: Path) -> None:
        repo = Repository.open(top)
        with pytest.raises(NotFound, match=r"does not begin with '-'"):
            at_revision(repo, "--output=x", ["prompts/triage.toml"])
        with pytest.raises(NotFound, match=r"prompts/none\.toml does not exist at"):
            at_revision(repo, "main", ["prompts/none.toml"])
