from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import FrameType

import pytest

from promptlab.errors import HistoryFault
from promptlab.history.git import Git, plain

from .conftest import sh


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # the latter where it goes while it is read
        return True


def test_a_signing_program_that_waits_for_ever_is_ended_with_its_children(top: Path) -> None:
    program = top / "sign.sh"
    program.write_text(f"#!/bin/sh\necho $$ > '{top}/pid'\nsleep 60\n")
    program.chmod(0o755)
    sh(top, "config", "gpg.program", str(program))
    with pytest.raises(HistoryFault) as fault:
        Git(top).write("commit-tree", "-S", "-m", "x", "HEAD^{tree}", limit=0.5)
    assert str(fault.value).startswith("git could not sign (no answer within 0.5 seconds). Nothing was changed;")
    pid = int((top / "pid").read_text())
    deadline = time.monotonic() + 5
    while not ended(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended(pid)


def test_an_interrupt_ends_a_command_before_the_caller_goes_on(top: Path) -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    os.mkfifo(top / "fifo")
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            Git(top).write("config", "--file", "fifo", "--list")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not [task for task in Path("/proc/self/task").glob("*/children") if task.read_text()]


def test_what_git_says_is_one_plain_line(top: Path) -> None:
    with pytest.raises(HistoryFault, match=r"^`git rev-parse` failed: Needed a single revision\.$"):
        Git(top).read("rev-parse", "--verify", "none")
    with pytest.raises(HistoryFault, match=r"^`git rev-parse` failed: exit status 1\.$"):
        Git(top).read("rev-parse", "--verify", "--quiet", "none")


def test_a_folder_that_is_gone_is_a_sentence_and_no_other_folder_is_used(tmp_path: Path) -> None:
    with pytest.raises(HistoryFault, match="cannot change to"):
        Git(tmp_path / "gone").read("status")


def test_plain_takes_control_characters_out() -> None:
    assert plain("a\x1b[31m\r\n\tb\u202e c\x00" + "x" * 300, 10) == "a[31m b cx"
