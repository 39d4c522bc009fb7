from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from promptlab.errors import HistoryFault, NotFound
from promptlab.history import pending
from promptlab.history.repository import Repository
from promptlab.history.runs import list_runs
from promptlab.history.snapshot import forget, recover, save_run
from promptlab.history.values import PendingRun, RunFiles

from .conftest import V1, commit, dirty, make, sh, write
from .saver import FILES, MESSAGE, RUN, SUBJECT

TAG = f"run/{SUBJECT}/{RUN}"
RESULTS = f"results/{SUBJECT}/{RUN}"


def save(folder: Path, files: RunFiles = FILES, run: str = RUN, subject: str = SUBJECT) -> None:
    save_run(Repository.open(folder), run, subject, files, MESSAGE)


def world(folder: Path) -> dict[str, bytes]:
    """Every file of the working tree and of .git by path, but objects and what belongs to the run."""
    found: dict[str, bytes] = {}
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder))
        if file.is_file() and not name.startswith((".git/objects/", ".git/promptlab/", ".git/refs/tags/run/")):
            found[name] = file.read_bytes()
    return found


def refs(folder: Path) -> list[str]:
    return sh(folder, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()


def leftovers(folder: Path) -> list[str]:
    """Temporary files of a save. The memo of contents is no leftover."""
    files = (folder / ".git").rglob("*")
    return [
        str(file) for file in files if file.name.startswith("index.") or file.suffix in (".lock", ".new", ".json")
    ]


def index_locked(folder: Path) -> None:
    (folder / ".git" / "index.lock").touch()


def hook(folder: Path, name: str, script: str = "exit 1") -> None:
    file = folder / ".git" / "hooks" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_a_lock_that_somebody_holds_on_the_index_is_no_matter(top: Path) -> None:
    index_locked(top)
    save(top)
    assert (top / ".git" / "index.lock").exists()
    assert sh(top, "cat-file", "-t", TAG) == "tag\n"


def test_the_tree_is_heads_with_what_was_used_and_the_results(top: Path) -> None:
    dirty(top)
    write(top, "prompts/triage.toml", "# edited since\n")
    save(top)
    assert sh(top, "rev-parse", f"{TAG}^").strip() == sh(top, "rev-parse", "HEAD").strip()
    # Inputs as used, not as they lie on the disk by now; nothing of the user's other work.
    assert sh(top, "diff", "--name-status", "--no-renames", f"{TAG}^", TAG).splitlines() == [
        "M\tprompts/triage.toml",
        f"A\t{RESULTS}/outputs.jsonl",
        f"A\t{RESULTS}/run.toml",
    ]
    for path, data in FILES.inputs.items():
        assert sh(top, "show", f"{TAG}:{path}") == data.decode()
    for name, data in FILES.results.items():
        assert sh(top, "show", f"{TAG}:{RESULTS}/{name}") == data.decode()


def test_unborn_branch(tmp_path: Path) -> None:
    folder = make(tmp_path / "new")
    write(folder, "staged.txt", "mine\n")
    sh(folder, "add", "staged.txt")
    before = world(folder)
    save(folder)
    assert world(folder) == before
    assert sh(folder, "rev-list", "--parents", TAG).split() == [sh(folder, "rev-parse", f"{TAG}^{{commit}}").strip()]
    assert "staged.txt" not in sh(folder, "ls-tree", "-r", "--name-only", TAG)
    assert sh(folder, "status", "--porcelain") == "A  staged.txt\n"
    sh(folder, "fsck", "--strict", "--no-dangling")


def test_a_person_sees_prompt_outputs_and_metrics_with_plain_git(top: Path) -> None:
    save(top)
    assert sh(top, "tag", "-n").split(maxsplit=1) == [TAG, "run triage on support: exact 0.5\n"]
    shown = sh(top, "show", TAG)
    assert "Promptlab-Score: a exact=0.5 n=2" in shown
    assert '+content = "Route now: {{ ticket }}"' in shown
    assert '+{"output":"billing # \\u001b[31m"}' in shown


def test_workspace_below_the_top_with_a_difficult_name(top: Path) -> None:
    folder = top / "näme ü" / 'w "s'
    folder.mkdir(parents=True)
    save(folder)
    names = sh(top, "ls-tree", "-r", "-z", "--name-only", TAG).split("\0")
    assert 'näme ü/w "s/prompts/triage.toml' in names
    assert f'näme ü/w "s/{RESULTS}/outputs.jsonl' in names
    assert "prompts/triage.toml" in names


def test_sha256_repository(tmp_path: Path) -> None:
    folder = make(tmp_path / "sha256", "--object-format=sha256")
    commit(folder, "one", triage=V1)
    save(folder)
    (record,) = list_runs(Repository.open(folder))
    assert len(record.commit) == 64
    sh(folder, "fsck", "--strict", "--no-dangling")


def test_linked_worktree(top: Path) -> None:
    linked = top.parent / "linked"
    sh(top, "worktree", "add", "-q", str(linked), "-b", "other")
    commit(linked, "there")
    save(linked)
    assert sh(top, "rev-parse", f"{TAG}^") == sh(linked, "rev-parse", "HEAD")


def test_a_callers_index_is_left_alone(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "callers-index"
    shutil.copy(top / ".git" / "index", mine)
    before = mine.read_bytes()
    (top / "staged.txt").write_text("half a commit")
    sh(top, "add", "staged.txt")
    index = (top / ".git" / "index").read_bytes()
    monkeypatch.setenv("GIT_INDEX_FILE", str(mine))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    save(top)
    monkeypatch.delenv("GIT_DIR")
    assert mine.read_bytes() == before
    assert (top / ".git" / "index").read_bytes() == index
    assert sh(top, "ls-tree", "--name-only", f"{TAG}^{{commit}}").count("staged") == 0
    assert sh(top, "cat-file", "-t", TAG) == "tag\n"


def test_inputs_go_through_the_same_filters_as_git_add_and_results_through_none(top: Path) -> None:
    write(top, ".gitattributes", "*.toml text eol=lf\n*.jsonl filter=lfs\n")
    sh(top, "config", "filter.lfs.clean", "sha1sum")
    commit(top, "attributes")
    crlf = V1.replace("\n", "\r\n").encode()
    save(top, RunFiles(results=FILES.results, inputs={"prompts/triage.toml": crlf}))
    assert sh(top, "rev-parse", f"{TAG}:prompts/triage.toml") == sh(top, "rev-parse", "HEAD:prompts/triage.toml")
    assert sh(top, "show", f"{TAG}:{RESULTS}/outputs.jsonl").encode() == FILES.results["outputs.jsonl"]


def test_signed_commit_and_tag(top: Path) -> None:
    key = top.parent / "key"
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen here")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", str(key)), ("commit.gpgsign", "true")):
        sh(top, "config", name, value)
    sh(top, "config", "tag.gpgsign", "true")
    save(top)
    assert "gpgsig -----BEGIN SSH SIGNATURE-----" in sh(top, "cat-file", "commit", TAG)
    assert "-----BEGIN SSH SIGNATURE-----" in sh(top, "cat-file", "tag", TAG)
    (record,) = list_runs(Repository.open(top))
    assert record.scores[0].mean == 0.5


class TestFaults:
    """Each says what to do, and leaves nothing staged, moved or lying about."""

    @pytest.fixture(autouse=True)
    def _nothing_changes(self, top: Path) -> Iterator[None]:
        dirty(top)
        yield
        assert sh(top, "tag", "--list", "run/*/*") in ("", f"{TAG}\n")
        assert leftovers(top) == []
        assert not any((top / ".git" / "promptlab").glob("pending/*"))
        sh(top, "fsck", "--no-dangling")

    def refused(self, folder: Path, **changes: str) -> str:
        before, refs_before = world(folder), refs(folder)
        with pytest.raises(HistoryFault) as fault:
            save(folder, **changes)
        assert world(folder) == before
        assert refs(folder) == refs_before
        assert "Traceback" not in str(fault.value)
        return str(fault.value)

    @pytest.mark.parametrize("missing", ["user.name", "user.email"])
    def test_no_identity(self, top: Path, missing: str) -> None:
        sh(top, "config", "--unset", missing)
        assert self.refused(top) == (
            "git does not know who you are, and a commit carries an author: run"
            ' `git config --global user.name "Your Name"` and `git config --global user.email you@example.com`,'
            " then try again."
        )

    def test_committer_known_but_author_not(self, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        sh(top, "config", "--unset", "user.email")
        monkeypatch.setenv("GIT_COMMITTER_EMAIL", "ann@example.com")
        assert self.refused(top).startswith("git does not know who you are")

    def test_saved_before(self, top: Path) -> None:
        save(top)
        assert self.refused(top) == f"The tag {TAG} is there already: this run was saved before."

    def test_a_tag_in_the_way(self, top: Path) -> None:
        sh(top, "tag", f"run/{SUBJECT}")
        sentence = self.refused(top)
        assert sentence.startswith("Another tag is in the way (")
        assert f"'refs/tags/run/{SUBJECT}' exists" in sentence

    @pytest.mark.parametrize(
        ("run", "subject"),
        [(RUN, "a b"), (RUN, "../x"), (RUN, "a..b"), (RUN, "-x~"), ("today", "triage"), (RUN, ""), (RUN, "a\nb")],
    )
    def test_impossible_names(self, top: Path, run: str, subject: str) -> None:
        assert "git does not accept that as the name of a tag" in self.refused(top, run=run, subject=subject)

    def test_a_path_out_of_the_repository(self, top: Path) -> None:
        with pytest.raises(NotFound, match="is not a path inside this repository"):
            save(top, RunFiles(results={"../../../../x": b""}, inputs={}))
        with pytest.raises(NotFound, match="is not a path inside this repository"):
            save(top, RunFiles(results={}, inputs={".git/hooks/post-commit": b""}))

    def test_a_hook_refuses_the_tag(self, top: Path) -> None:
        hook(top, "reference-transaction", '[ "$1" = prepared ] && exit 1; exit 0')
        assert self.refused(top) == (
            "A reference-transaction hook of this repository refused it. Nothing was changed."
        )

    @pytest.mark.parametrize("key", ["commit.gpgsign", "tag.gpgsign"])
    @pytest.mark.parametrize(
        "setting", ["gpg.program=false", "gpg.program=/none", "user.signingKey=/none", "user.signingKey="]
    )
    def test_signing_fails(self, top: Path, key: str, setting: str) -> None:
        sh(top, "config", key, "true")
        sh(top, "config", "gpg.format", "openpgp" if setting.startswith("gpg") else "ssh")
        sh(top, "config", *setting.split("="))
        assert self.refused(top).startswith("git could not sign (")

    def test_own_folder_cannot_be_made(self, top: Path) -> None:
        (top / ".git" / "promptlab").write_text("in the way")
        assert "promptlab cannot be written (" in self.refused(top)
        (top / ".git" / "promptlab").unlink()

    def test_damaged_head(self, top: Path) -> None:
        tree = sh(top, "rev-parse", "HEAD^{tree}").strip()
        file = top / ".git" / "objects" / tree[:2] / tree[2:]
        data = file.read_bytes()
        file.unlink()
        assert self.refused(top).startswith("`git read-tree` failed: ")
        file.write_bytes(data)

    def test_another_process_holds_the_lock(self, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pending, "_WAIT", 0.1)
        with pending.Folder(top / ".git").locked():
            assert self.refused(top).startswith("Another promptlab is saving a run in this repository")


def saver(top: Path, *losses: str) -> subprocess.Popen[bytes]:
    """A process, first of its group, that has just begun to save."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("saver.py")), str(top), *losses],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdin.write(b"go\n")
    process.stdin.flush()
    return process


def sentence_without(top: Path, loss: str) -> str:
    out, err = saver(top, loss).communicate(timeout=20)
    assert err == b""
    return out.decode()


def test_a_file_may_not_grow(top: Path) -> None:
    said = sentence_without(top, "bytes")
    assert "cannot be written (File too large). Nothing was changed" in said
    assert refs(top) == [f"refs/heads/main {sh(top, 'rev-parse', 'HEAD').strip()}"]
    assert leftovers(top) == []


class TestRecovery:
    def test_nothing_to_do(self, top: Path) -> None:
        assert recover(Repository.open(top)) == []
        assert not (top / ".git" / "promptlab").exists()
        save(top)
        assert recover(Repository.open(top)) == []

    def test_a_record_of_a_complete_run_is_dropped(self, top: Path) -> None:
        save(top)
        repo = Repository.open(top)
        pending.Folder(repo.common_dir).write(pending.Record(RUN, SUBJECT, TAG))
        assert recover(repo) == [PendingRun(RUN, SUBJECT, complete=True, tagged=True)]
        assert recover(repo) == []

    def test_a_record_stays_until_the_run_is_saved_or_given_up(self, top: Path) -> None:
        repo = Repository.open(top)
        folder = pending.Folder(repo.common_dir)
        with folder.locked():
            folder.write(pending.Record(RUN, SUBJECT, TAG))
            folder.temporary_index().touch()
        for _ in range(2):
            assert recover(repo) == [PendingRun(RUN, SUBJECT, complete=False)]
        assert not folder.temporary_index().exists()
        save(top)
        assert recover(repo) == []
        folder.write(pending.Record(RUN, SUBJECT, TAG + "x"))
        forget(repo, RUN)
        assert recover(repo) == []

    def test_a_damaged_record_is_dropped(self, top: Path) -> None:
        repo = Repository.open(top)
        save(top)
        write(top, ".git/promptlab/pending/x.json", b"\xff{")
        write(top, ".git/promptlab/pending/y.json", b'{"run": 1}')
        assert recover(repo) == []
        assert leftovers(top) == []

    @pytest.mark.parametrize("ours", [True, False])
    def test_only_our_own_stale_lock_is_removed(self, top: Path, ours: bool) -> None:
        save(top)
        repo = Repository.open(top)
        tag_object = sh(top, "rev-parse", f"refs/tags/{TAG}").strip()
        made = sh(top, "rev-parse", f"{TAG}^{{commit}}").strip()
        sh(top, "tag", "-d", TAG)
        lock = top / ".git" / "refs" / "tags" / f"{TAG}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.write_text(f"{tag_object if ours else sh(top, 'rev-parse', 'HEAD').strip()}\n")
        pending.Folder(repo.common_dir).write(pending.Record(RUN, SUBJECT, TAG, made))
        assert recover(repo) == [PendingRun(RUN, SUBJECT, complete=False)]
        assert lock.exists() is not ours

    def test_a_hostile_record_leads_nowhere(self, top: Path) -> None:
        victim = top / "victim.lock"
        victim.touch()
        escape = pending.Record(RUN, SUBJECT, f"run/../../../../victim/{RUN}", "0" * 40)
        write(top, f".git/promptlab/pending/{RUN}.json", msgspec.json.encode(escape))
        (top / f"victim/{RUN}.lock").parent.mkdir()
        (top / f"victim/{RUN}.lock").touch()
        assert recover(Repository.open(top)) == [PendingRun(RUN, SUBJECT, complete=False)]
        assert (top / f"victim/{RUN}.lock").exists()
        assert forget(Repository.open(top), RUN) is None
        write(top, "mine.json", "{}")
        other = msgspec.json.encode(pending.Record("../../../mine", SUBJECT, "heads/main"))
        write(top, ".git/promptlab/pending/x.json", other)
        assert recover(Repository.open(top)) == []
        assert (top / "mine.json").exists()
