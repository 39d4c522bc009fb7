"""A process that saves one run when it is told to, and may be killed or have something taken away before."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from promptlab.errors import HistoryFault
from promptlab.history import trailers
from promptlab.history.repository import Repository
from promptlab.history.snapshot import save_run
from promptlab.history.values import ColumnLine, RunFiles, ScoreLine

RUN = "20261121T195012Z-4f2a9c"
SUBJECT = "triage"
FILES = RunFiles(
    results={"run.toml": b"seed = 7\n", "outputs.jsonl": b'{"output":"billing # \\u001b[31m"}\n'},
    inputs={
        "prompts/triage.toml": b'[[messages]]\nrole = "user"\ncontent = "Route now: {{ ticket }}"\n',
        "evalsets/support.toml": b'description = "tickets"\n',
    },
)
MESSAGE = trailers.message(
    run=RUN,
    title="run triage on support: exact 0.5",
    evalset="support",
    evalset_content="9f00ab12cd34",
    n=2,
    columns=[ColumnLine("a", "triage", "5c8e33c836e2", "*", "mini", "gguf:0f0f")],
    scores=[ScoreLine("a", "exact", 0.5, 2)],
    results=FILES.results,
)


def lose_rights() -> None:
    """Becomes nobody, where a superuser could write whatever the modes say."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def lose_bytes() -> None:
    """No file may grow beyond a few bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))


if __name__ == "__main__":
    repo = Repository.open(Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    for loss in sys.argv[2:]:
        {"rights": lose_rights, "bytes": lose_bytes}[loss]()
    try:
        save_run(repo, RUN, SUBJECT, FILES, MESSAGE)
    except HistoryFault as fault:
        print(fault)
