from __future__ import annotations

import re
from pathlib import Path

import pytest

from promptlab.errors import NotFound
from promptlab.history import trailers
from promptlab.history.repository import Repository
from promptlab.history.runs import list_runs, read_inputs, read_results
from promptlab.history.sharing import pull
from promptlab.history.snapshot import save_run
from promptlab.history.values import ColumnLine, RunFiles, RunRecord, ScoreLine

from .conftest import V1, commit, sh

FIRST = "20261121T195012Z-4f2a9c"
SECOND = "20261122T080000Z-000001"
THIRD = "20261122T080000Z-000002"
COLUMN = ColumnLine("a", "triage", "5c8e33c836e2", "v1", "mini", "gguf:0f0f")
SCORE = ScoreLine("a", "exact", 0.5, 2, 0.25)


def message(run: str) -> str:
    return trailers.message(
        run=run,
        title="run triage on support: exact 0.5",
        evalset="support",
        evalset_content="9f00ab12cd34",
        n=2,
        columns=[COLUMN],
        scores=[SCORE],
        results={"outputs.jsonl": b'{"text":"a\\r\\n"}\r\n'},
    )


def save(repo: Repository, run: str = FIRST, subject: str = "triage") -> None:
    files = RunFiles(
        results={"run.toml": b"x = 1\n", "outputs.jsonl": b'{"text":"a\\r\\n"}\r\n'},
        inputs={"prompts/triage.toml": V1.encode()},
    )
    save_run(repo, run, subject, files, message(run))


def test_a_saved_run_comes_back_whole(top: Path) -> None:
    repo = Repository.open(top)
    save(repo)
    (record,) = list_runs(repo)
    tag = f"run/triage/{FIRST}"
    assert record == RunRecord(
        id=FIRST,
        subject="triage",
        tag=tag,
        commit=sh(top, "rev-parse", f"{tag}^{{commit}}").strip(),
        time=int(sh(top, "for-each-ref", "--format=%(taggerdate:unix)", "refs/tags/run")),
        title="run triage on support: exact 0.5",
        evalset="support",
        evalset_content="9f00ab12cd34",
        n=2,
        columns=(COLUMN,),
        scores=(SCORE,),
    )
    assert read_results(repo, record) == {"run.toml": b"x = 1\n", "outputs.jsonl": b'{"text":"a\\r\\n"}\r\n'}
    assert read_inputs(repo, record, ["prompts/triage.toml", "prompts/none.toml", "a\nb"]) == {
        "prompts/triage.toml": V1.encode()
    }


def test_inputs_stay_inside_the_repository(top: Path) -> None:
    repo = Repository.open(top)
    save(repo)
    with pytest.raises(NotFound, match=r"'\.\./x' is not a path inside this repository"):
        read_inputs(repo, list_runs(repo)[0], ["../x"])


def test_newest_first_whatever_the_subject(top: Path) -> None:
    repo = Repository.open(top)
    save(repo, SECOND)
    save(repo, FIRST, "judges/helpful")
    assert [(record.id, record.subject) for record in list_runs(repo)] == [
        (SECOND, "triage"),
        (FIRST, "judges/helpful"),
    ]
    sh(top, "pack-refs", "--all")
    assert len(list_runs(repo)) == 2


def test_no_runs(top: Path) -> None:
    assert list_runs(Repository.open(top)) == []


def test_foreign_and_broken_tags_are_passed_over(top: Path) -> None:
    repo = Repository.open(top)
    save(repo)
    head = sh(top, "rev-parse", "HEAD").strip()
    sh(top, "tag", "run/triage/light")
    sh(top, "tag", f"run/triage/{SECOND}")
    sh(top, "tag", "-a", "-m", "mine", "run/other/20261122T080000Z-000002")
    sh(top, "tag", "-a", "-F", "-", "run/tree/20261122T080000Z-000003", "HEAD^{tree}", stdin=message(SECOND).encode())
    latin = (
        b"object %s\ntype commit\ntag run/l/1\ntagger A <a@b> 1 +0000\n\ncaf\xe9\n\nPromptlab-Run: \xff\n"
        % head.encode()
    )
    sh(top, "update-ref", "refs/tags/run/l/20261122T080000Z-000004", sh(top, "mktag", stdin=latin).strip())
    assert [record.id for record in list_runs(repo)] == [FIRST]


def test_a_tag_whose_object_is_missing_does_not_hide_the_others(top: Path) -> None:
    repo = Repository.open(top)
    save(repo)
    save(repo, SECOND)
    lost = sh(top, "rev-parse", f"refs/tags/run/triage/{SECOND}").strip()
    (top / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    assert [record.id for record in list_runs(repo)] == [FIRST]


@pytest.mark.parametrize("part", ["commit", "tree", "blob"])
def test_a_run_whose_data_is_lost_says_so_and_what_to_do(top: Path, tmp_path: Path, part: str) -> None:
    repo = Repository.open(top)
    save(repo)
    tag, remote = f"run/triage/{FIRST}", tmp_path / "remote.git"
    sh(tmp_path, "clone", "-q", "--bare", "--no-hardlinks", str(top), str(remote))
    sh(top, "remote", "add", "origin", str(remote))
    name = {"commit": "^{commit}", "tree": "^{tree}", "blob": f":results/triage/{FIRST}/outputs.jsonl"}[part]
    lost, commit_id = sh(top, "rev-parse", f"{tag}{name}", f"{tag}^{{commit}}").split()
    (top / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    (record,) = list_runs(repo)
    why = f"results/triage/{FIRST}/outputs.jsonl is missing" if part == "blob" else r"(bad object|unable to read).*"
    with pytest.raises(NotFound) as fault:
        read_results(repo, record)
    assert re.fullmatch(
        rf"The run {FIRST} cannot be opened: its tag is here, and its commit {commit_id[:8]} is not whole \({why}\)\."
        rf" `git tag -d {tag}` and then `promptlab pull` fetch it again from a remote that has it\.",
        str(fault.value),
    )
    sh(top, "tag", "-d", tag)
    pull(repo, "origin")
    assert set(read_results(repo, list_runs(repo)[0])) == {"run.toml", "outputs.jsonl"}


def test_damaged_tags_do_not_hide_the_others(top: Path) -> None:
    repo = Repository.open(top)
    for run in (FIRST, SECOND, THIRD):
        save(repo, run)
    objects = top / ".git" / "objects"
    for run, kept in ((FIRST, 0), (SECOND, 40)):
        name = sh(top, "rev-parse", f"refs/tags/run/triage/{run}").strip()
        file = objects / name[:2] / name[2:]
        file.chmod(0o644)
        file.write_bytes(file.read_bytes()[:kept] or b"not compressed")
    assert [record.id for record in list_runs(repo)] == [THIRD]


def test_another_name_for_a_run_hides_nothing(top: Path) -> None:
    repo = Repository.open(top)
    save(repo)
    tag_object = sh(top, "rev-parse", f"refs/tags/run/triage/{FIRST}").strip()
    sh(top, "update-ref", f"refs/tags/run/zebra/{SECOND}", tag_object)
    assert [(record.id, record.subject) for record in list_runs(repo)] == [(FIRST, "triage")]


def test_a_signed_tag_is_read_without_its_signature(top: Path) -> None:
    head = sh(top, "rev-parse", "HEAD").strip()
    signature = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"
    tag = f"run/triage/{FIRST}"
    body = f"object {head}\ntype commit\ntag {tag}\ntagger A <a@b> 9 +0000\n\n{message(FIRST)}{signature}"
    sh(top, "update-ref", f"refs/tags/{tag}", sh(top, "mktag", stdin=body.encode()).strip())
    repo = Repository.open(top)
    (record,) = list_runs(repo)
    assert (record.scores, record.time) == ((SCORE,), 9)
    with pytest.raises(NotFound, match=f"The commit of {tag} holds no results"):
        read_results(repo, record)


def test_results_are_found_after_the_workspace_moved(top: Path) -> None:
    folder = top / "näme ü" / "work space"
    (folder / "prompts").mkdir(parents=True)
    save(Repository.open(folder))
    sh(top, "mv", "prompts", "prompts2")
    commit(top, "moved")
    repo = Repository.open(top)
    (record,) = list_runs(repo)
    assert read_results(repo, record)["run.toml"] == b"x = 1\n"
    assert read_inputs(repo, record, ["prompts/triage.toml"]) == {"prompts/triage.toml": V1.encode()}
