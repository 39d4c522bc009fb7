"""Measure how fast a GGUF file is on this machine, in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec

from promptlab.errors import ModelFault
from promptlab.models.gguf.files import check_file
from promptlab.models.gguf.machine import default_threads
from promptlab.models.gguf.native import death_reason, environment
from promptlab.models.gguf.process import default_log, open_log
from promptlab.models.gguf.wire import Load, frame
from promptlab.models.measures import unmeasured
from promptlab.models.speed import Measured, Speed, Unmeasured

_message = msgspec.json.Decoder(Measured | Unmeasured)


async def measure(
    path: Path, *, context: int | None = None, threads: int | None = None
) -> AsyncGenerator[Speed, None]:
    """Load the file and time it: what is known, after each thing that was measured.

    Closing the generator ends the process at once; what was yielded before stays true.

    Raises:
        ModelFault: The file cannot be used, or the process that measured it died.
    """
    check_file(path)
    threads = threads or default_threads(path.stat().st_size)
    for plain in (False, True):
        speed = unmeasured(path, threads)
        process = await _spawn(Load(os.fsencode(path.absolute()), context, threads, plain))
        try:
            assert process.stdout is not None
            while line := await process.stdout.readline():
                message = _message.decode(line)
                if isinstance(message, Unmeasured):
                    raise ModelFault(f"{path}: {message.reason}")
                speed = speed.with_measured(message)
                yield speed
            await process.wait()
        finally:
            await _end(process)
        # Some virtual machines announce a matrix unit (AMX) whose instructions they do not run.
        if process.returncode != -signal.SIGILL:
            break
    if not speed.complete:
        reason = death_reason(process.returncode or 0)
        raise ModelFault(
            f"{path}: the process that measured the model died ({reason}). What it printed is in {default_log()}."
        )


async def _spawn(load: Load) -> asyncio.subprocess.Process:
    with open_log(default_log()) as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "promptlab.models.gguf.measure",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=environment(),
            start_new_session=True,
        )
    assert process.stdin is not None
    process.stdin.write(frame(load))
    return process


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    assert process.stdin is not None
    process.stdin.close()
    await process.communicate()
