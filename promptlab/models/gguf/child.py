"""The process that owns the native engine: ``python -m promptlab.models.gguf.child``.

Only this process loads ``llama_cpp`` and reads a GGUF file: a native abort, a segmentation fault or the kernel's
out-of-memory killer ends it and nothing else.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import TYPE_CHECKING, BinaryIO

from promptlab.models.gguf import wire
from promptlab.models.gguf.native import end_with_parent, take_pipes

if TYPE_CHECKING:
    from promptlab.models.gguf.engine import Engine
    from promptlab.models.values import Request

_TELL_EVERY = 0.1  # seconds, and not with every token: each message is work for the program


def main() -> None:
    """Load the model that the first message names, then answer what is asked."""
    end_with_parent()
    requests, answers = take_pipes()
    inbox: queue.SimpleQueue[wire.ToChild] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests, inbox), daemon=True).start()
    load = inbox.get()
    assert isinstance(load, wire.Load)
    loaded = _load(load)
    if isinstance(loaded, wire.LoadFailed):
        _send(answers, loaded)
        os._exit(0)  # the reading thread holds the pipe: an orderly exit would wait for it
    _send(answers, wire.Loaded(context=loaded.context))
    _serve(loaded, inbox, answers)


def _serve(engine: Engine, inbox: queue.SimpleQueue[wire.ToChild], answers: BinaryIO) -> None:
    """Take on, and give up, what comes between any two steps."""
    asks: list[tuple[int, Request]] = []
    told = time.monotonic()
    while True:
        while not (engine.busy or engine.embedder.busy) or not inbox.empty():
            match inbox.get():
                case wire.Ask(number, request):
                    asks.append((number, request))
                case wire.Embed(number, text):
                    engine.embedder.add([(number, text)])
                case wire.Go(watched):
                    engine.add(asks, watched)
                    asks = []
                case wire.Drop(ticket, numbers):
                    asks = [ask for ask in asks if ask[0] not in numbers]
                    engine.drop(numbers)
                    engine.embedder.drop(numbers)
                    _send(answers, wire.Dropped(ticket))
                case wire.Load():
                    raise AssertionError("a child loads one model")
        if engine.embedder.busy:
            _send(answers, wire.Vector(*engine.embedder.step()))
        if begun := engine.admit():
            _send(answers, wire.Begun(tuple(begun)))  # before the step that might be the end of this process
        done = engine.step()
        if time.monotonic() - told > _TELL_EVERY or not engine.busy:
            told = time.monotonic()
            if news := engine.news():
                _send(answers, wire.Wrote(*news))
        _send(answers, *(wire.Answer(number, outcome) for number, outcome in done))


def _load(load: wire.Load) -> Engine | wire.LoadFailed:
    try:
        from promptlab.models.gguf.engine import CannotLoad, Engine
        from promptlab.models.gguf.scheduler import Mode
    except (ImportError, OSError, RuntimeError) as fault:
        return wire.LoadFailed(
            f"the local engine cannot start: {fault}. Install it again: pip install 'promptlab-tui[local]'."
        )
    try:
        mode = Mode(slots=load.batch or Mode.slots, invariant=load.reproducible)
        return Engine(load.path, load.context, load.threads, load.plain, mode)
    except CannotLoad as fault:
        return wire.LoadFailed(str(fault))


def _send(pipe: BinaryIO, *messages: wire.FromChild) -> None:
    try:
        pipe.write(b"".join(map(wire.frame, messages)))
        pipe.flush()
    except BrokenPipeError:
        os._exit(0)


def _read(pipe: BinaryIO, inbox: queue.SimpleQueue[wire.ToChild]) -> None:
    """Read ahead, so that the program's writes never wait for an answer, and notice its end in the midst of one."""
    while (message := wire.receive(pipe)) is not None:
        inbox.put(message)
    os._exit(0)


if __name__ == "__main__":
    main()
