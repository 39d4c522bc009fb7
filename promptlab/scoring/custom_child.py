"""The process that runs a metric of the workspace's own: one JSON line in, one JSON line out.

It is started by its path with ``python -I``, so it imports nothing but the standard library: no promptlab, no module
that lies in the working folder. Its own output goes nowhere; only the channel that the parent reads carries answers.
The first line is the metric (file name, source, function, memory limit), every further one an example and an answer.
"""

from __future__ import annotations

import json
import math
import os
from typing import IO, Any


def main() -> None:
    """Read the metric, then answer until the parent closes the channel."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    metric = json.loads(requests.readline())
    limit_memory(int(metric["memory"]))
    function: Any = None
    try:
        names: dict[str, Any] = {"__name__": "promptlab_metric", "__file__": metric["file"]}
        exec(compile(metric["source"], metric["file"], "exec"), names)
        function = names[metric["function"]]
        reply(answers, {"ready": True})
    except KeyError:
        reply(answers, {"missing": f"{metric['file']} has no function {metric['function']}"})
    except BaseException as fault:
        reply(answers, {"missing": f"{metric['file']} does not load: {said(fault)}"})
    for line in requests:
        reply(answers, answer(function, json.loads(line)))


def limit_memory(megabytes: int) -> None:
    """Let the process have no more than this, where the system can see to it."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        pass


def answer(function: Any, request: dict[str, Any]) -> dict[str, Any]:
    """The score of one answer, or why there is none."""
    try:
        value = function(request["example"], request["output"])
        if value is None:
            return {"missing": "the function returned None"}
        number = float(value)
        if not math.isfinite(number):
            return {"missing": f"the function returned {number}, which is no score"}
        return {"value": number}
    except BaseException as fault:
        return {"missing": said(fault)}


def said(fault: BaseException) -> str:
    """A fault in one short line."""
    try:
        return " ".join(f"{type(fault).__name__}: {fault}".rstrip(": ").split())[:300]
    except BaseException:
        return type(fault).__name__


def reply(answers: IO[str], value: dict[str, Any]) -> None:
    """Send one line."""
    answers.write(json.dumps(value) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
