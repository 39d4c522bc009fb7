"""Line 40: kill -9 of a save on the branch, at each step and at random, and what the next start makes of it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

from promptlab.history import landing, pending, publishing, snapshot, tagging
from promptlab.history.git import Git
from promptlab.history.pending import Folder
from promptlab.history.repository import Repository
from promptlab.history.runs import list_runs

from .conftest import dirty, sh
from .saver import RUN
from .scene import (
    BOTH,
    SUMMARY,
    TAG,
    TO_PUBLISH,
    Scene,
    ended,
    in_child,
    kill_group,
    leftovers,
    put,
    save,
    work,
)

STEPS: list[tuple[object, str, int]] = [
    (pending, "_acquire", 1),
    (Folder, "write", 1),
    (snapshot, "_blobs", 1),
    (snapshot, "commit_of", 1),
    (Folder, "write", 2),
    (tagging, "tag_object_of", 1),
    (snapshot, "make_tag", 1),
    (publishing, "commit_of", 1),
    (Folder, "write", 3),
    (landing, "land", 1),
    (publishing, "_stage", 1),
    (Git, "move", 1),
]
"""Where a save on the branch is killed: right after the n-th call of a function."""


def killed_at_each_step(scene: Scene) -> None:
    for owner, name, call in STEPS:
        folder = scene.repository()
        dirty(folder)
        mine = work(folder)
        child = in_child(lambda at=(owner, name, call), where=folder: _save_and_die(where, *at))
        assert ended(child) == -signal.SIGKILL, f"{name} was never called"
        assert work(folder) == mine, name
        mended(folder)
        assert work(folder) == mine, name


def _save_and_die(folder: Path, owner: object, name: str, call: int) -> None:
    real = getattr(owner, name)
    calls = 0

    def dying(*args: object, **options: object) -> object:
        nonlocal calls
        answer = real(*args, **options)
        calls += 1
        if calls == call:
            os.killpg(0, signal.SIGKILL)
        return answer

    setattr(owner, name, dying)
    save(folder, BOTH)


def mended(folder: Path) -> str:
    """Recovers as the next start does, and sees that run, tag and branch are whole; what there was to do."""
    repo = Repository.open(folder)
    found = [run for run in snapshot.recover(repo) if not run.complete]
    assert sh(folder, "status", "--porcelain", "-uall", "--", "results") == ""
    tagged = TAG in sh(folder, "tag")
    if not tagged:
        save(folder, BOTH)
    elif found:
        put(folder)
    assert snapshot.recover(repo) == []
    assert [record.id for record in list_runs(repo)] == [RUN]
    if tagged and not found:
        # Killed after the last step, or before the branch's part was on record: publishing says it is there.
        put(folder)
    assert sh(folder, "show", f"HEAD:{SUMMARY}").encode() == TO_PUBLISH[SUMMARY]
    assert sh(folder, "status", "--porcelain", "-uall", "--", "results") == ""
    assert leftovers(folder) == []
    sh(folder, "fsck", "--strict", "--no-dangling")
    return "publish" if tagged and found else "nothing" if tagged else "save"


def killed_at_random(scene: Scene, kills: int) -> dict[str, int]:
    """Kills the saving process group at random moments, recovers, and checks; how often what was left to do."""
    took = min(_time_of_a_save(scene) for _ in range(3))
    moments = random.Random(7)
    counts: dict[str, int] = {}
    for _ in range(kills):
        folder = scene.repository()
        dirty(folder)
        mine, head = work(folder), sh(folder, "rev-parse", "HEAD")
        child = in_child(lambda where=folder: save(where, BOTH))
        time.sleep(moments.uniform(0.0, took))
        kill_group(child)
        left = mended(folder)
        assert work(folder) == mine
        assert sh(folder, "rev-parse", "HEAD^") == head
        counts[left] = counts.get(left, 0) + 1
        shutil.rmtree(folder)
    return counts


def _time_of_a_save(scene: Scene) -> float:
    folder = scene.repository()
    dirty(folder)
    started = time.monotonic()
    assert ended(in_child(lambda: save(folder, BOTH))) == 0
    return time.monotonic() - started


def killed(scene: Scene) -> None:
    killed_at_each_step(scene)
    killed_at_random(scene, 4)  # bench_kills.py: 200
