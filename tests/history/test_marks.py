"""Pinned numbers and stages: append-only tags on no branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptlab.errors import HistoryFault, UsageFault
from promptlab.history.marks import demote, list_marks, parse, pin, promote, stages
from promptlab.history.repository import Repository
from promptlab.history.runs import list_runs
from promptlab.history.snapshot import save_run
from promptlab.history.values import Mark, Named, Version
from promptlab.history.versions import moved_by, versions

from .conftest import V1, commit, sh, write
from .saver import FILES, MESSAGE, RUN, SUBJECT

V2 = V1.replace("Route", "Route this ticket")
V3 = V1.replace("Route", "Answer with one label. Route")
V4 = V1.replace("Route", "Do route")


def of(folder: Path) -> list[Version]:
    return versions(Repository.open(folder), "triage", "prompts/triage.toml")


def named(version: Version) -> Named:
    return Named("triage", version.content, version.blob, version.path, version.commit, version.label)


def labels(folder: Path) -> list[tuple[str, str]]:
    return [(version.label, version.content) for version in of(folder)]


def current(folder: Path) -> dict[tuple[str, str], Mark]:
    return stages(list_marks(Repository.open(folder)))


class TestPin:
    def test_a_pinned_number_outlives_a_rewritten_history(self, top: Path) -> None:
        commit(top, "two", triage=V2)
        commit(top, "three", triage=V3)
        before = labels(top)
        second = of(top)[1]
        mark = pin(Repository.open(top), named(second), 2)
        assert (mark.tag, mark.number, mark.content, mark.author) == ("triage@v2", 2, second.content, "Ann")
        # The two commits become one, the second text is in no commit of the branch any more.
        sh(top, "reset", "-q", "--soft", "HEAD~2")
        sh(top, "commit", "-qm", "squashed")
        sh(top, "reflog", "expire", "--expire=now", "--all")
        sh(top, "gc", "-q", "--prune=now")
        assert labels(top) == before
        assert of(top)[1].blob == second.blob
        repo = Repository.open(top)
        assert repo.blobs([second.blob]) == {second.blob: V2.encode()}

    def test_derived_numbers_step_around(self, top: Path) -> None:
        first = of(top)[0]
        sh(top, "checkout", "-qb", "side")
        commit(top, "elsewhere", triage=V4)
        other = of(top)[1]
        pin(Repository.open(top), named(other), 3)
        sh(top, "checkout", "-q", "main")
        commit(top, "two", triage=V2)
        commit(top, "three", triage=V3)
        found = of(top)
        assert [version.label for version in found] == ["v1", "v2", "v3", "v4"]
        assert [version.content for version in found][::2] == [first.content, other.content]
        assert found[2].subject == "pinned by triage@v3, not in this branch's history"

    def test_what_would_move_is_known_before(self, top: Path) -> None:
        commit(top, "two", triage=V2)
        repo = Repository.open(top)
        first, second = of(top)
        args = (repo, "triage", "prompts/triage.toml")
        assert moved_by(*args, first.content, 1) == []
        assert moved_by(*args, second.content, 9) == []
        assert moved_by(*args, first.content, 2) == [second]
        assert moved_by(*args, "0" * 12, 1) == [first, second]

    def test_again_is_nothing_new_and_another_content_is_refused(self, top: Path) -> None:
        commit(top, "two", triage=V2)
        repo = Repository.open(top)
        first, second = of(top)
        assert pin(repo, named(first), 1) == pin(repo, named(first), 1)
        with pytest.raises(UsageFault, match=f"triage@v1 is pinned to {first.content} already, and a pinned number"):
            pin(repo, named(second), 1)

    def test_describe_and_the_branch_do_not_see_it(self, top: Path) -> None:
        sh(top, "tag", "-a", "-m", "x", "1.0.0")
        before = sh(top, "status", "--porcelain=v2", "--branch")
        pin(Repository.open(top), named(of(top)[0]), 1)
        assert sh(top, "describe").strip() == "1.0.0"
        assert sh(top, "status", "--porcelain=v2", "--branch") == before
        assert sh(top, "rev-parse", "triage@v1^{tree}") == sh(top, "rev-parse", "HEAD^{tree}")
        sh(top, "fsck", "--strict")


class TestStages:
    def test_up_and_down_in_steps_that_stay(self, top: Path) -> None:
        commit(top, "two", triage=V2)
        repo = Repository.open(top)
        first, second = of(top)
        assert promote(repo, named(first), "production").tag == "triage#production#1"
        assert promote(repo, named(second), "production").tag == "triage#production#2"
        assert promote(repo, named(first), "staging").tag == "triage#staging#1"
        assert current(top)["triage", "production"].content == second.content
        cleared = demote(repo, "triage", "production")
        assert (cleared.tag, cleared.cleared, cleared.content) == ("triage#production!#3", True, second.content)
        assert promote(repo, named(first), "production").tag == "triage#production#4"
        assert current(top)["triage", "production"].content == first.content
        assert len(list_marks(repo)) == 5
        assert list_marks(repo, ["triage"]) == list_marks(repo)
        assert list_marks(repo, ["other"]) == []

    def test_the_run_that_justifies_it_holds_the_tag(self, top: Path) -> None:
        repo = Repository.open(top)
        save_run(repo, RUN, SUBJECT, FILES, MESSAGE)
        (record,) = list_runs(repo)
        version = of(top)[0]
        mark = promote(
            repo, Named("triage", "5c8e33c836e2", version.blob, version.path, "", "*", record), "production"
        )
        assert (mark.run, mark.commit) == (RUN, record.commit)
        said = sh(top, "tag", "-l", "--format=%(contents)", "triage#production#1")
        assert said.startswith("triage * (5c8e33c836e2) is production\n\n")
        assert "Promptlab-Score: a exact=0.5 n=2\n" in said
        assert len(list_runs(repo)) == 1

    @pytest.mark.parametrize("stage", ["", "v3", "beef", "Production", "a b", "x#1", "-x", "p" * 41, "a/b", "x!"])
    def test_a_stage_that_could_be_something_else(self, top: Path, stage: str) -> None:
        with pytest.raises(UsageFault, match="cannot be a stage"):
            promote(Repository.open(top), named(of(top)[0]), stage)

    def test_nothing_to_change(self, top: Path) -> None:
        repo = Repository.open(top)
        version = of(top)[0]
        with pytest.raises(UsageFault, match=r"^No version of triage is on the stage production: `promptlab"):
            demote(repo, "triage", "production")
        promote(repo, named(version), "production")
        with pytest.raises(UsageFault, match=f"triage@production is {version.content} already, since"):
            promote(repo, named(version), "production")

    def test_a_foreign_tag_of_the_next_number_is_stepped_over(self, top: Path) -> None:
        sh(top, "tag", "triage#production#1")
        sh(top, "tag", "-a", "-m", "by hand", "triage#production!#2")
        repo = Repository.open(top)
        assert list_marks(repo) == []
        assert promote(repo, named(of(top)[0]), "production").tag == "triage#production#3"

    def test_without_an_identity_nothing_is_made(self, top: Path) -> None:
        version = of(top)[0]
        sh(top, "config", "--unset", "user.name")
        sh(top, "config", "--unset", "user.email")
        with pytest.raises(HistoryFault, match="git does not know who you are"):
            promote(Repository.open(top), named(version), "production")
        assert sh(top, "tag") == ""

    def test_a_name_with_difficult_signs(self, top: Path) -> None:
        repo = Repository.open(top)
        version = of(top)[0]
        odd = Named("judges/nä#1!", version.content, version.blob, "prompts/judges/nä#1!.toml", version.commit, "v1")
        mark = promote(repo, odd, "production")
        assert (mark.prompt, mark.stage, mark.number, mark.path) == (odd.prompt, "production", 1, odd.path)
        assert list_marks(repo, [odd.prompt]) == [mark]


@pytest.mark.parametrize(
    "change",
    [
        ("Promptlab-Format: 1", "Promptlab-Format: 2"),
        ("Promptlab-Version: triage@", "Promptlab-Version: other@"),
        ("blob=", "blob=../"),
        ("Promptlab-Version", "Promptlab-Versions"),
        ("@", "@zz"),
        ("\n\n", "\n"),
    ],
)
def test_a_damaged_message_is_no_mark(top: Path, change: tuple[str, str]) -> None:
    repo = Repository.open(top)
    promote(repo, named(of(top)[0]), "production")
    text = sh(top, "tag", "-l", "--format=%(contents)", "triage#production#1")
    place = {"commit": "0" * 40, "time": 0, "author": "Ann"}
    assert parse("triage#production#1", text, **place) is not None
    assert parse("triage#production#1", text.replace(*change), **place) is None
    assert parse("other#production#1", text, **place) is None
    assert parse("triage", text, **place) is None


class TestFollowedByItsId:
    NAMED = 'id = "router"\n'

    def test_renamed_and_rewritten_in_one_commit(self, top: Path) -> None:
        commit(top, "name it", triage=self.NAMED + V2)
        (top / "prompts" / "triage.toml").unlink()
        other = 'id = "router"\n[[messages]]\nrole = "system"\ncontent = "Entirely other words, at length."\n'
        commit(top, "rename and rewrite", route=other)
        commit(top, "edit", route=other.replace("other", "different"))
        found = versions(Repository.open(top), "route", "prompts/route.toml")
        assert [version.subject for version in found] == ["one", "name it", "rename and rewrite", "edit"]
        assert [version.number for version in found] == [1, 2, 3, 4]

    def test_a_similar_prompt_with_another_id_is_not_its_past(self, top: Path) -> None:
        commit(top, "name it", triage=self.NAMED + V2)
        (top / "prompts" / "triage.toml").unlink()
        commit(top, "replace", other='id = "another"\n' + V2)
        found = versions(Repository.open(top), "other", "prompts/other.toml")
        assert [version.subject for version in found] == ["replace"]

    def test_a_pin_under_the_old_name_counts_for_the_same_text(self, top: Path) -> None:
        commit(top, "two", triage=V2)
        pin(Repository.open(top), named(of(top)[1]), 2)
        sh(top, "mv", "prompts/triage.toml", "prompts/route.toml")
        sh(top, "commit", "-qm", "rename")
        found = versions(Repository.open(top), "route", "prompts/route.toml")
        assert [version.number for version in found] == [1, 2]


class TestRemembered:
    def test_new_commits_are_added_to_what_is_known(self, top: Path) -> None:
        texts = [V2, V3, V1, "broken [", V4]
        for at, text in enumerate(texts):
            of(top)
            commit(top, f"step {at}", triage=text)
            write(top, "other.txt", f"{at}\n")
            commit(top, "something else")
        known = of(top)
        for file in (top / ".git" / "promptlab").glob("versions-*.json"):
            file.unlink()
        assert of(top) == known
        assert [version.label for version in known] == ["v1", "v2", "v3", "invalid", "v4"]

    def test_a_rewritten_history_is_read_anew(self, top: Path) -> None:
        commit(top, "two", triage=V2)
        assert len(of(top)) == 2
        sh(top, "reset", "-q", "--hard", "HEAD~1")
        assert [version.subject for version in of(top)] == ["one"]
        commit(top, "another two", triage=V3)
        assert [version.subject for version in of(top)] == ["one", "another two"]
        sh(top, "checkout", "-qb", "side", "HEAD~1")
        commit(top, "side", triage=V4)
        assert [version.subject for version in of(top)] == ["one", "side"]

    def test_a_merge_that_brings_main_in_is_read_anew(self, top: Path) -> None:
        sh(top, "checkout", "-qb", "side")
        commit(top, "side", triage=V2)
        assert len(of(top)) == 2
        sh(top, "checkout", "-q", "main")
        sh(top, "merge", "-q", "--no-ff", "-m", "merged", "side")
        assert [version.subject for version in of(top)] == ["one", "merged"]

    @pytest.mark.parametrize("damage", [b"", b"\xff", b"{}", b'{"head": 3}'])
    def test_damage_is_survived(self, top: Path, damage: bytes) -> None:
        known = of(top)
        (file,) = (top / ".git" / "promptlab").glob("versions-*.json")
        file.write_bytes(damage)
        assert of(top) == known
        assert file.read_bytes() != damage

    def test_a_shallow_clone_that_is_deepened_shows_the_whole(self, top: Path, tmp_path: Path) -> None:
        commit(top, "two", triage=V2)
        sh(tmp_path, "clone", "-q", "--depth", "1", f"file://{top}", "clone")
        clone = tmp_path / "clone"
        assert len(of(clone)) == 1
        sh(clone, "fetch", "-q", "--unshallow")
        assert of(clone) == of(top)
