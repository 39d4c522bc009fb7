"""The process that searches for patterns: one JSON line in (pattern, text, whether all of it), one out.

It is started by its path with ``python -I -S``, so it has the standard library and nothing else. A search that takes
more than the seconds of computing that it is given ends it: the system sees to that, since ``re`` listens to nobody.
"""

from __future__ import annotations

import json
import re
import signal
import sys


def main() -> None:
    """Answer until the parent closes the channel."""
    seconds = float(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    for line in sys.stdin.buffer:
        request: tuple[str, str, bool] = json.loads(line)
        pattern, text, full = request
        signal.setitimer(signal.ITIMER_PROF, seconds)
        found = re.fullmatch(pattern, text) if full else re.search(pattern, text)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answer = [found[0], found.groups(), found.end()] if found else None
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
