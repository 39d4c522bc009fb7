from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs.scripted import make_evalset, make_prompt, small_plan

from promptlab.errors import NotFound, StorageFault, UsageFault
from promptlab.models.values import Fault, Outcome
from promptlab.runs import journal as journal_module
from promptlab.runs.journal import Journal, open_journal
from promptlab.runs.storage import storage_fault
from promptlab.runs.stored import (
    find_resumable,
    keep_metrics,
    list_runs,
    mark_committed,
    read_lines,
    read_metrics,
    read_outcomes,
    read_plan,
    remove,
    run_folder,
)
from promptlab.runs.values import Cell, JournalLine, Plan

NOON = 1_795_262_400.0  # 2026-11-21 12:00:00 UTC


def line_of(cell: Cell, text: str = "billing", fault: Fault | None = None) -> JournalLine:
    outcome = Outcome(cell.key, "" if fault else text, finish="error" if fault else "stop", fault=fault)
    return JournalLine(cell.column, cell.example, cell.trial, outcome, 1.5)


def stopped(root: Path, plan: Plan, *lines: JournalLine, now: float = NOON) -> str:
    journal = Journal.create(root, plan, now=lambda: now)
    journal.append(lines)
    journal.finish("partial")
    return journal.run


def outcomes_file(root: Path, run: str) -> Path:
    return run_folder(root, run) / "outcomes.jsonl"


def test_a_run_is_on_disk_before_the_first_call(tmp_path: Path) -> None:
    plan = small_plan(3)
    journal = Journal.create(tmp_path, plan, now=lambda: NOON)
    folder = tmp_path / "runs" / journal.run
    assert journal.run.startswith("20261121T120000Z-")
    assert sorted(path.name for path in folder.iterdir()) == [
        "lock",
        "outcomes.jsonl",
        "plan.json",
        "run.json",
        "state",
    ]
    word, pid, host, start = (folder / "state").read_text().split()
    assert (word, pid) == ("running", str(os.getpid()))
    assert host
    assert abs(int(start) - time.time()) < 60
    journal.finish("complete")
    assert (folder / "state").read_text() == "complete\n"
    # Answers may hold private text.
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}


def test_the_plan_comes_back_without_its_cells(tmp_path: Path) -> None:
    plan = msgspec.structs.replace(small_plan(3), sources={"prompts/triage.toml": b"\xff\x00bytes"})
    run = stopped(tmp_path, plan)
    found = read_plan(tmp_path, run)
    assert found == msgspec.structs.replace(plan, cells=[])
    assert found.size == plan.size == len(plan.cells) == 3


def test_outcomes_come_back_as_they_were(tmp_path: Path) -> None:
    plan = small_plan(3)
    lines = [line_of(cell, f"line\nfeed \u2028 {cell.example} 🦊 \x1b[31m") for cell in plan.cells]
    run = stopped(tmp_path, plan, *lines)
    found = read_outcomes(tmp_path, run)
    assert list(found.lines.values()) == lines
    assert found.skipped == 0
    assert outcomes_file(tmp_path, run).read_bytes().count(b"\n") == 3


def test_ids_differ_within_one_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = small_plan(1)
    draws = iter(["abcdef", "abcdef", "abcdef", "123456"])
    monkeypatch.setattr(journal_module.secrets, "token_hex", lambda _: next(draws))
    assert stopped(tmp_path, plan) == "20261121T120000Z-000abc"
    assert stopped(tmp_path, plan) == "20261121T120000Z-000123"


def test_a_good_outcome_beats_a_fault_and_the_last_good_one_wins(tmp_path: Path) -> None:
    plan = small_plan(3)
    first, second, third = plan.cells
    fault = Fault("timeout", "No answer within 120 s.")
    run = stopped(
        tmp_path,
        plan,
        line_of(first, "old"),
        line_of(second, fault=fault),
        line_of(third, fault=fault),
        line_of(first, "new"),
        line_of(second, "late"),
        line_of(first, fault=fault),
    )
    lines = read_outcomes(tmp_path, run).lines
    assert [line.outcome.text for line in lines.values()] == ["new", "late", ""]
    resumed = Journal.resume(tmp_path, run, plan)
    known = resumed.outcomes()
    resumed.close()
    assert {place: outcome.text for place, outcome in known.items()} == {
        ("a", first.example, 0): "new",
        ("a", second.example, 0): "late",
    }


def test_a_bad_line_in_the_middle_is_skipped_and_counted(tmp_path: Path) -> None:
    plan = small_plan(4)
    run = stopped(tmp_path, plan, *(line_of(cell) for cell in plan.cells))
    path = outcomes_file(tmp_path, run)
    lines = path.read_bytes().splitlines(keepends=True)
    bad = [b"\x00" * 40 + b"\n", b'{"column": 3}\n', b'"\xff"\n', b"[" * 100_000 + b"\n", b"\n"]
    path.write_bytes(b"".join([lines[0], *bad, *lines[1:]]))
    journal = Journal.resume(tmp_path, run, plan)
    assert len(journal.outcomes()) == 4
    assert journal.skipped == 4
    journal.close()


def test_lines_longer_than_a_chunk_are_read(tmp_path: Path) -> None:
    plan = small_plan(3)
    texts = ["x" * 700_000, "y", "z" * 300_000]
    run = stopped(tmp_path, plan, *(line_of(cell, text) for cell, text in zip(plan.cells, texts, strict=True)))
    assert [line.outcome.text for line in read_outcomes(tmp_path, run).lines.values()] == texts


@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_any_torn_tail_costs_only_its_own_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Kill after any byte, go on, kill again: every whole line is there, and so is all that came after."""
    root = tmp_path_factory.mktemp("torn")
    plan = small_plan(8)
    run = stopped(root, plan)
    path = outcomes_file(root, run)
    kept: dict[str, str] = {}
    for step in range(data.draw(st.integers(1, 4))):
        journal = Journal.resume(root, run, plan)
        assert {place[1]: one.text for place, one in journal.outcomes().items()} == kept
        cells = data.draw(st.lists(st.sampled_from(plan.cells), max_size=6))
        before = path.stat().st_size
        journal.append([line_of(cell, f"{step} \u2028\n{cell.example}") for cell in cells])
        journal.close()
        cut = data.draw(st.integers(before, path.stat().st_size))
        whole = path.read_bytes()[before:cut].count(b"\n")
        os.truncate(path, cut)
        if data.draw(st.booleans()):
            with path.open("ab") as file:  # What a power cut may leave of a block.
                file.write(b"\x00" * data.draw(st.integers(0, 70_000)))
        kept |= {cell.example: f"{step} \u2028\n{cell.example}" for cell in cells[:whole]}
    found = read_lines(path)
    assert {place[1]: line.outcome.text for place, line in found.lines.items()} == kept
    assert found.skipped == 0


def test_going_on_cuts_the_torn_tail_before_it_appends(tmp_path: Path) -> None:
    plan = small_plan(2)
    run = stopped(tmp_path, plan, line_of(plan.cells[0]))
    path = outcomes_file(tmp_path, run)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"column":"a","exam' + b"p" * 200_000)
    assert read_outcomes(tmp_path, run).skipped == 0
    journal = Journal.resume(tmp_path, run, plan)
    assert path.read_bytes() == whole
    journal.append([line_of(plan.cells[1])])
    assert len(journal.outcomes()) == 2
    assert journal.skipped == 0
    journal.close()


def test_two_processes_never_write_one_run(tmp_path: Path) -> None:
    plan = small_plan(2)
    code = (
        "import sys, pathlib\n"
        "from runs.scripted import small_plan\n"
        "from promptlab.runs.journal import Journal\n"
        "journal = Journal.create(pathlib.Path(sys.argv[1]), small_plan(2))\n"
        "print(journal.run, flush=True)\n"
        "sys.stdin.read()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with child:
        assert child.stdout is not None
        run = child.stdout.readline().strip()
        assert [(one.id, one.state) for one in list_runs(tmp_path)] == [(run, "running")]
        assert find_resumable(tmp_path, plan.digest) is None
        with pytest.raises(UsageFault) as caught:
            Journal.resume(tmp_path, run, plan)
        assert str(caught.value) == (
            f"Run {run} is being written by another promptlab. Wait for it, or stop it first."
        )
        with pytest.raises(UsageFault, match=r"is running\. Stop it first\.$"):
            remove(tmp_path, run)
        own = open_journal(tmp_path, plan)
        assert own.run != run
        own.close()
        child.kill()
    assert find_resumable(tmp_path, plan.digest) in (run, own.run)
    assert {one.state for one in list_runs(tmp_path)} == {"partial"}
    Journal.resume(tmp_path, run, plan).close()


def test_the_newest_unfinished_run_of_the_same_plan_goes_on(tmp_path: Path) -> None:
    plan, other = small_plan(2), small_plan(3)
    old = stopped(tmp_path, plan, now=NOON)
    new = stopped(tmp_path, plan, now=NOON + 60)
    stopped(tmp_path, other, now=NOON + 120)
    done = Journal.create(tmp_path, plan, now=lambda: NOON + 180)
    done.finish("complete")
    assert find_resumable(tmp_path, plan.digest) == new
    journal = open_journal(tmp_path, plan)
    assert journal.run == new
    second = open_journal(tmp_path, plan)
    assert second.run == old
    third = open_journal(tmp_path, plan, now=lambda: NOON + 240)
    assert third.run not in (old, new, done.run)
    for one in (journal, second, third):
        one.finish("complete")
    assert find_resumable(tmp_path, plan.digest) is None


def test_a_run_that_another_process_takes_first_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = small_plan(2)
    taken = Journal.create(tmp_path, plan)
    monkeypatch.setattr(journal_module, "find_resumable", lambda root, digest: taken.run)
    own = open_journal(tmp_path, plan)
    assert own.run != taken.run
    own.close()
    taken.close()


def test_a_run_goes_on_only_with_the_same_work(tmp_path: Path) -> None:
    run = stopped(tmp_path, small_plan(2))
    with pytest.raises(
        UsageFault, match=r"cannot go on: its prompts, models, examples or metrics have changed since\.$"
    ):
        Journal.resume(tmp_path, run, small_plan(2, prompts=[make_prompt("Else: {{ ticket }}")]))
    mark_committed(tmp_path, run, f"run/triage/{run}")
    with pytest.raises(UsageFault, match=rf"cannot go on: it is saved as run/triage/{run}\.$"):
        Journal.resume(tmp_path, run, small_plan(2))


def test_the_list_shows_what_a_person_needs(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == []
    plan = small_plan(3, ["mini", "nano"], trials=2)
    first = stopped(tmp_path, plan, now=NOON)
    second = stopped(tmp_path, plan, now=NOON + 1)
    mark_committed(tmp_path, second, f"run/triage/{second}")
    (tmp_path / "runs" / "20261121T120000Z-000000").mkdir()
    (tmp_path / "runs" / "notes.txt").write_text("not a run")
    newest, oldest = list_runs(tmp_path)
    assert (newest.id, newest.state, newest.tag) == (second, "committed", f"run/triage/{second}")
    assert (oldest.id, oldest.state, oldest.tag) == (first, "partial", "")
    assert (oldest.time, oldest.subject, oldest.evalset) == (int(NOON), "triage", make_evalset().name)
    assert (oldest.examples, oldest.trials, oldest.cells) == (3, 2, 12)
    assert oldest.columns == ("triage* · mini", "triage* · nano")


def test_a_run_is_removed_whole(tmp_path: Path) -> None:
    run = stopped(tmp_path, small_plan(2))
    remove(tmp_path, run)
    assert list((tmp_path / "runs").iterdir()) == []
    for name in (run, "../../etc", "20261121T120000Z-abcdef/../x", ""):
        with pytest.raises(NotFound, match=r"^There is no run .* in the journal\. `promptlab runs` lists them\.$"):
            remove(tmp_path, name)
        with pytest.raises(NotFound):
            read_plan(tmp_path, name)


def test_what_was_measured_is_kept_beside_the_outcomes(tmp_path: Path) -> None:
    run = stopped(tmp_path, small_plan(2))
    assert read_metrics(tmp_path, run) == b""
    for data in (b'{"exact":1}\n', b'{"exact":0}\n'):
        keep_metrics(tmp_path, run, [data[:1], data[1:]])
        assert read_metrics(tmp_path, run) == data
    with pytest.raises(StorageFault, match="no such file or directory"):
        keep_metrics(tmp_path, "20261121T120000Z-abcdef", [])
    remove(tmp_path, run)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    run = stopped(tmp_path, small_plan(2))
    (run_folder(tmp_path, run) / "plan.json").write_bytes(b'{"subject": 1}')
    with pytest.raises(
        StorageFault, match=r"plan\.json: this file of the journal is damaged: .*remove its folder\.$"
    ):
        read_plan(tmp_path, run)
    (run_folder(tmp_path, run) / "run.json").write_bytes(b"")
    with pytest.raises(StorageFault, match=r"run\.json: this file of the journal is damaged"):
        Journal.resume(tmp_path, run, small_plan(2))
    assert list_runs(tmp_path) == []
    outcomes_file(tmp_path, run).unlink()
    with pytest.raises(StorageFault, match=r"outcomes\.jsonl: cannot be used: no such file or directory\.$"):
        read_outcomes(tmp_path, run)


def test_a_full_disk_is_a_sentence_and_nothing_more_is_written(tmp_path: Path) -> None:
    plan = small_plan(2)
    run = stopped(tmp_path, plan)
    path = outcomes_file(tmp_path, run)
    path.unlink()
    path.symlink_to("/dev/full")
    lock = os.open(run_folder(tmp_path, run) / "lock", os.O_RDWR)
    journal = Journal(run_folder(tmp_path, run), lock)
    for _ in range(2):
        with pytest.raises(StorageFault) as caught:
            journal.append([line_of(plan.cells[0])])
        assert str(caught.value) == (
            f"{path}: the disk is full. Free some space and run the same command again; nothing is lost."
        )
    journal.close()


def test_a_file_that_may_not_grow_keeps_every_whole_line(tmp_path: Path) -> None:
    """A real limit of the system cuts a write in the middle of a line, as a disk that fills up does."""
    code = (
        "import resource, sys, pathlib\n"
        "from runs.scripted import small_plan\n"
        "from runs.test_journal import line_of\n"
        "from promptlab.errors import StorageFault\n"
        "from promptlab.runs.journal import Journal\n"
        "plan = small_plan(40)\n"
        "journal = Journal.create(pathlib.Path(sys.argv[1]), plan)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "try:\n"
        "    for cell in plan.cells: journal.append([line_of(cell)])\n"
        "except StorageFault as fault: print(fault)\n"
        "journal.close()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", code, str(tmp_path)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert "the disk is full" in printed
    plan = small_plan(40)
    journal = open_journal(tmp_path, plan)
    kept = journal.outcomes()
    assert 5 < len(kept) < 40
    journal.append([line_of(cell) for cell in plan.cells])
    assert len(journal.outcomes()) == 40
    assert journal.skipped == 0
    journal.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(
        StorageFault, match=r"this file or its folder is read-only\. Make it writable and try again\.$"
    ):
        Journal.create(tmp_path, small_plan(1))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EACCES, "this file or its folder is read-only. Make it writable and try again."),
        (errno.EROFS, "this file or its folder is read-only. Make it writable and try again."),
        (errno.ENOSPC, "the disk is full. Free some space and run the same command again; nothing is lost."),
        (errno.EIO, "cannot be used: input/output error."),
    ],
)
def test_every_way_to_fail_has_its_sentence(code: int, words: str) -> None:
    assert str(storage_fault(Path("/w/state"), OSError(code, os.strerror(code)))) == f"/w/state: {words}"


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "promptlab").write_text("")
    with pytest.raises(StorageFault, match=r"promptlab/runs: cannot be used: not a directory\.$"):
        Journal.create(tmp_path / "promptlab", small_plan(1))


def test_a_plan_that_cannot_be_written_leaves_no_run_and_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(journal_module, "replace_file", full)
    threads = threading.active_count()
    with pytest.raises(StorageFault, match=r"plan\.json: the disk is full"):
        Journal.create(tmp_path, small_plan(1))
    assert threading.active_count() == threads
    assert list_runs(tmp_path) == []


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    plan = small_plan(1)
    journal = Journal.create(tmp_path, plan)
    journal.finish("partial")
    journal.close()
    journal.finish("complete")
    assert list_runs(tmp_path)[0].state == "partial"
    with pytest.raises(StorageFault, match=r"is closed\.$"):
        journal.append([line_of(plan.cells[0])])


def test_what_was_appended_is_synced_soon_and_not_at_every_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = small_plan(1)
    journal = Journal.create(tmp_path, plan)
    synced: list[float] = []
    real = os.fsync

    def fsync(file: int) -> None:
        synced.append(time.monotonic())
        real(file)

    monkeypatch.setattr(journal_module.os, "fsync", fsync)
    begin = time.monotonic()
    while time.monotonic() - begin < 0.7:
        journal.append([line_of(plan.cells[0])])
        time.sleep(0.01)
    time.sleep(0.6)
    journal.close()
    assert 2 <= len(synced) < 20, "not at every line"
    assert synced[0] - begin < 5
    assert synced[1] - synced[0] >= 0.49


def test_a_disk_that_fails_while_syncing_is_told_at_the_next_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = small_plan(1)
    journal = Journal.create(tmp_path, plan)

    def fsync(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(journal_module.os, "fsync", fsync)

    def append_until_told() -> None:
        for _ in range(500):
            journal.append([line_of(plan.cells[0])])
            time.sleep(0.01)

    with pytest.raises(StorageFault, match=r"cannot be used: input/output error\.$"):
        append_until_told()
    with pytest.raises(StorageFault):
        journal.finish("partial")


def test_twenty_thousand_outcomes_are_all_read(tmp_path: Path) -> None:
    plan = small_plan(1)
    cell = plan.cells[0]
    path = tmp_path / "outcomes.jsonl"
    lines = [JournalLine("a", f"e{index}", 0, Outcome(cell.key, "word " * 100)) for index in range(20_000)]
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    assert list(read_lines(path).lines) == [(line.column, line.example, line.trial) for line in lines]
