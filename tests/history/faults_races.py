"""Lines 33 to 47: others at work at the same moment, kills, full disks, clocks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from promptlab.errors import HistoryFault
from promptlab.history import publishing, snapshot
from promptlab.history.pending import Folder, Record
from promptlab.history.repository import Repository
from promptlab.history.runs import list_runs, read_results
from promptlab.history.values import PendingRun, RunFiles
from promptlab.history.versions import version_bytes, versions

from .conftest import V1, commit, dirty, make, sh
from .faults_kills import killed
from .saver import FILES, MESSAGE, RUN, SUBJECT, lose_rights
from .scene import (
    BOTH,
    RESULTS,
    SUMMARY,
    TAG,
    TO_PUBLISH,
    Fault,
    Scene,
    ended,
    hook,
    in_child,
    leftovers,
    put,
    refused,
    save,
    work,
    world,
)


def index_locked(scene: Scene) -> None:
    folder = scene.repository()
    dirty(folder)
    mine, lock = work(folder), folder / ".git" / "index.lock"
    lock.touch()
    save(folder)  # needs no index of the person's
    waiting = threading.Timer(0.3, lock.unlink)
    waiting.start()
    put(folder)
    waiting.join()
    assert work(folder) == mine

    folder = scene.repository()
    (folder / ".git" / "index.lock").touch()
    scene.patch.setattr(publishing, "_PATIENCE", 0.1)
    before = world(folder)
    with pytest.raises(HistoryFault, match=r"^Another git command is changing this repository \(\.git/index\.lock\)"):
        put(folder)
    assert world(folder) == before
    assert (folder / ".git" / "index.lock").exists()


def meanwhile(scene: Scene, act: Callable[[], object]) -> None:
    """Lets something happen once, after files and index are in place and before the branch moves."""
    real = publishing._stage

    def stage(*args: object) -> None:
        real(*args)
        act()

    scene.patch.setattr(publishing, "_stage", stage)


def person_commits(scene: Scene) -> None:
    folder = scene.repository()
    save(folder)
    meanwhile(scene, lambda: sh(folder, "commit", "-q", "--allow-empty", "--only", "-m", "mine"))
    done = put(folder)
    assert sh(folder, "log", "--format=%H %s", "-2").splitlines() == [
        f"{done.commit} {MESSAGE.splitlines()[0]}",
        f"{sh(folder, 'rev-parse', 'HEAD^').strip()} mine",
    ]
    assert sh(folder, "status", "--porcelain") == ""
    sh(folder, "fsck", "--strict", "--no-dangling")


def person_commits_all(scene: Scene) -> None:
    folder = scene.repository()
    save(folder)
    (folder / "third.txt").write_text("changed\n")
    meanwhile(scene, lambda: sh(folder, "commit", "-qam", "all of it"))
    done = put(folder)
    # Theirs took our files along: nothing is left to commit.
    assert sh(folder, "log", "-1", "--format=%H %s") == f"{done.commit} all of it\n"
    assert sh(folder, "show", f"HEAD:{SUMMARY}").encode() == TO_PUBLISH[SUMMARY]
    assert sh(folder, "status", "--porcelain") == ""


def person_switches(scene: Scene) -> None:
    folder = scene.repository()
    save(folder)
    dirty(folder)
    meanwhile(scene, lambda: sh(folder, "switch", "-q", "-c", "feature"))
    mine, before = work(folder), sh(folder, "rev-parse", "HEAD")
    done = put(folder)
    assert sh(folder, "symbolic-ref", "HEAD") == "refs/heads/feature\n"
    assert sh(folder, "rev-parse", "feature") == before
    assert sh(folder, "rev-parse", "main").strip() == done.commit
    assert work(folder) == mine
    assert sh(folder, "status", "--porcelain", "--", "results") == ""
    assert leftovers(folder) == []


def tag_is_there(scene: Scene) -> None:
    folder = scene.repository()
    save(folder)
    dirty(folder)
    refused(folder, f"^The tag {TAG} is there already: this run was saved before", save)


def tag_in_the_way(scene: Scene) -> None:
    folder = scene.repository()
    sh(folder, "tag", f"run/{SUBJECT}")
    dirty(folder)
    refused(folder, r"^Another tag is in the way \(.*exists; cannot create", save)


def two_at_once(scene: Scene) -> None:
    folder = scene.repository()
    dirty(folder)
    mine = work(folder)
    runs = [f"20261121T19501{digit}Z-4f2a9c" for digit in range(3)]

    def one(run: str) -> None:
        save(folder, run=run)
        publishing.publish(Repository.open(folder), run, SUBJECT, {f"results/{SUBJECT}/{run}/summary.toml": b""}, "x")

    threads = [threading.Thread(target=one, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sh(folder, "tag").split() == [f"run/{SUBJECT}/{run}" for run in runs]
    assert sh(folder, "rev-list", "--count", "--merges", "HEAD").strip() == "0"
    assert sh(folder, "rev-list", "--count", "HEAD").strip() == "4"
    assert work(folder) == mine


def stale_locks(scene: Scene) -> None:
    for ours in (True, False):
        folder = scene.repository()
        save(folder)
        commit_id = sh(folder, "rev-parse", f"{TAG}^{{commit}}" if ours else "HEAD").strip()
        made = sh(folder, "rev-parse", f"{TAG}^{{commit}}").strip()
        blob = sh(folder, "hash-object", "-w", "--stdin", stdin=TO_PUBLISH[SUMMARY]).strip()
        record = Record(RUN, SUBJECT, TAG, made, publish=True, branch="refs/heads/main", blobs={SUMMARY: blob})
        lock = folder / ".git" / "refs" / "heads" / "main.lock"
        lock.write_text(f"{commit_id}\n")
        repo = Repository.open(folder)
        records = Folder(repo.common_dir)
        records.write(record)
        assert snapshot.recover(repo) == [PendingRun(RUN, SUBJECT, complete=False, tagged=True)]
        assert lock.exists() is not ours
        if ours:
            put(folder)
        else:
            records.remove(RUN)
            dirty(folder)
            before = world(folder)
            with pytest.raises(HistoryFault, match=r"^`git update-ref` failed: .*main\.lock"):
                put(folder)
            assert world(folder) == before


def ended_by_the_terminal(scene: Scene) -> None:
    for end in (signal.SIGINT, signal.SIGHUP):
        folder = scene.repository()
        reached, going_on = (scene.folder / f"{what} {end.name}" for what in ("reached", "going on"))
        wait = f'for i in $(seq 400); do [ -e "{going_on}" ] && break; sleep 0.05; done'
        hook(folder, "reference-transaction", f'[ "$1" = prepared ] && touch "{reached}" && {wait}; exit 0')
        dirty(folder)
        mine = work(folder)
        child = in_child(lambda where=folder: save(where, BOTH))
        deadline = time.monotonic() + 20
        while not reached.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(child, end)
        going_on.touch()
        assert ended(child) == (1 if end is signal.SIGINT else -end)
        (folder / ".git" / "hooks" / "reference-transaction").unlink()
        # What had begun came to its end: the next start waits for it instead of working beside it.
        left = [run for run in snapshot.recover(Repository.open(folder)) if not run.complete]
        assert [run.tagged for run in left] == ([] if end is signal.SIGINT else [True])
        assert sh(folder, "tag") == f"{TAG}\n"
        put(folder)
        assert work(folder) == mine
        assert leftovers(folder) == []


def full_disk(scene: Scene) -> None:
    disk = scene.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        for free in (0, 8, 16, 24, 40):
            _on_a_disk_with(disk, free)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _on_a_disk_with(disk: Path, free: int) -> None:
    """Saving on the branch with so many KB left: whole, or a sentence and nothing of it."""
    folder = make(disk / f"with {free}")
    commit(folder, "one", triage=V1)
    for sample in (folder / ".git" / "hooks").glob("*.sample"):
        sample.unlink()
    before, space = world(folder), os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(bytes(max(0, space.f_bavail * space.f_frsize - free * 1024)))
    said = ""
    try:
        save(folder)
        put(folder)
    except HistoryFault as fault:
        said = str(fault)
    assert not said or said.startswith("The disk is full: ")
    assert not said or world(folder) == before
    filler.unlink()
    assert leftovers(folder) == []
    if TAG not in sh(folder, "tag"):
        save(folder)
    put(folder)
    sh(folder, "fsck", "--strict", "--no-dangling")
    shutil.rmtree(folder)


def read_only(scene: Scene) -> None:
    if os.geteuid() != 0:
        pytest.skip("taking rights away from a superuser's own test needs root")
    folder = scene.repository()
    # Nobody must be able to come this far, and git must trust what is not theirs.
    temporary = Path(tempfile.gettempdir()).resolve()
    for start in (Path(os.environ["HOME"]).resolve(), folder.resolve()):
        for above in (start, *start.parents):
            if above == temporary:
                break
            above.chmod(0o755)
    sh(folder, "config", "--global", "--add", "safe.directory", str(folder))
    before = world(folder)
    locked = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in locked:
        path.chmod(0o555)
    said = scene.folder / "said"
    said.touch()
    said.chmod(0o666)

    def act() -> None:
        lose_rights()
        for what in (save, put):
            with said.open("a") as out:
                try:
                    what(folder)
                except HistoryFault as fault:
                    print(fault, file=out)

    child = in_child(act)
    status = ended(child)
    for path in locked:
        path.chmod(0o755)
    assert status == 0
    sentence = f"{folder}/.git/promptlab cannot be written (Permission denied). Nothing was changed;"
    assert [line.startswith(sentence) for line in said.read_text().splitlines()] == [True, True]
    assert world(folder) == before


def collected_while_reading(scene: Scene) -> None:
    folder = scene.repository()
    for number in range(2, 5):
        commit(folder, f"version {number}", triage=V1.replace("Route", f"Route {number}"))
    save(folder)
    repo = Repository.open(folder)
    stop = threading.Event()

    def collect() -> None:
        while not stop.is_set():
            sh(folder, "repack", "-adq")
            sh(folder, "gc", "-q", "--prune=now")

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        for _ in range(8):
            found = versions(repo, "triage", "prompts/triage.toml")
            assert len(version_bytes(repo, found)) == len(found) == 4
            (record,) = list_runs(repo)
            assert read_results(repo, record) == FILES.results
            shutil.rmtree(folder / ".git" / "promptlab", ignore_errors=True)
    finally:
        stop.set()
        collector.join()


def large_run(scene: Scene) -> None:
    folder = scene.repository()
    line = b'{"output":"' + os.urandom(500).hex().encode() + b'"}\n'
    large = RunFiles({**FILES.results, "outputs.jsonl": line * 3000}, {}, {f"{RESULTS}/outputs.jsonl": line * 3000})
    save(folder, large)
    repo = Repository.open(folder)
    (record,) = list_runs(repo)
    assert read_results(repo, record)["outputs.jsonl"] == line * 3000
    assert (folder / RESULTS / "outputs.jsonl").read_bytes() == line * 3000
    assert sh(folder, "status", "--porcelain") == ""


def clock_goes_back(scene: Scene) -> None:
    folder = scene.repository()
    runs = ["20261121T195012Z-aaaaaa", "20261121T195012Z-bbbbbb", "20261121T195013Z-000000"]
    for run, moment in zip(runs, (1_800_000_100, 1_800_000_050, 1_800_000_000), strict=True):
        scene.patch.setenv("GIT_COMMITTER_DATE", f"@{moment} +0000")
        save(folder, run=run)
    assert [record.id for record in list_runs(Repository.open(folder))] == runs[::-1]


FAULTS = [
    Fault(33, "index.lock, for a moment and for ever", index_locked),
    Fault(34, "the person commits before the branch moves", person_commits),
    Fault(35, "the person's commit -a takes ours along", person_commits_all),
    Fault(36, "the person switches the branch", person_switches),
    Fault(37, "the tag is there", tag_is_there),
    Fault(38, "a tag in the way of the folder of tags", tag_in_the_way),
    Fault(39, "two promptlabs at once", two_at_once),
    Fault(40, "kill -9 at each of 12 steps and at random moments", killed),
    Fault(41, "stale lock of a ref, ours and foreign", stale_locks),
    Fault(42, "Ctrl-C and a closed terminal", ended_by_the_terminal),
    Fault(43, "disk full", full_disk),
    Fault(44, "read-only repository", read_only),
    Fault(45, "gc and repack while reading", collected_while_reading),
    Fault(46, "a run above 2 MB", large_run),
    Fault(47, "a clock that goes back, two runs in one second", clock_goes_back),
]
