"""Set up promptlab in this clone and start something: the two commands of the README.

    python3 tools/setup.py demo [DIR] [--fresh]    make .venv, install promptlab with its local engine, open the demo
    python3 tools/setup.py test [PYTEST OPTIONS]   make .venv, install the tools for development, run the tests

Needs Python 3.11 or newer, git and a C++ compiler. Only the standard library is used here, and only syntax that
Python 3.8 reads, so that an older Python says what is wrong instead of failing on a line it cannot parse.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

REQUIRED = (3, 11)
NEWER_NAMES = ("python3.14", "python3.13", "python3.12", "python3.11")
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
LOG = VENV / "install.log"
STAMP = VENV / "promptlab-install.json"
EXTRA = {"demo": "local", "test": "dev"}
CONTAINS = {"local": ("local", "dev"), "dev": ("dev",)}
"""Which installed extras are enough for a wanted one."""

COMPILERS = ("c++", "g++", "clang++")
PLAIN_EVERY = 15.0
"""Seconds between two progress lines where the output is not a terminal."""


class SetupFault(Exception):
    """Something that the person has to do first, as a sentence."""


# What is needed before anything is installed ------------------------------------------------------------------------


def check_python() -> None:
    """Refuse a Python that is too old, and name a newer one if the PATH has it."""
    found = tuple(sys.version_info[:2])
    if found >= REQUIRED:
        return
    newer = next((name for name in NEWER_NAMES if shutil.which(name)), None)
    if newer:
        advice = f"{newer} is installed: run `{newer} tools/setup.py` instead."
    else:
        advice = "Install a newer Python and run this with it."
    have, need = (".".join(map(str, version)) for version in (found, REQUIRED))
    raise SetupFault(f"promptlab needs Python {need} or newer; this is Python {have} ({sys.executable}). {advice}")


def check_venv_module() -> None:
    """Refuse a Python without ``venv`` or ``ensurepip``, which Debian and Ubuntu package apart."""
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupFault(
            f"This Python ({sys.executable}) has no module {' and no module '.join(missing)}: it cannot make .venv. "
            "Install it (Debian, Ubuntu: apt install python3-venv) and run this again."
        )


def check_git() -> None:
    """Refuse to go on without git: versions and runs are kept in it."""
    if not shutil.which("git"):
        raise SetupFault(
            "git was not found: promptlab keeps versions of prompts and saved runs in it. "
            "Install git and run this again."
        )


def check_compiler() -> None:
    """Refuse to start a compilation of several minutes that cannot succeed."""
    chosen = os.environ.get("CXX", "").split()
    if chosen:
        if shutil.which(chosen[0]):
            return
        raise SetupFault(
            f"The C++ compiler that the variable CXX names was not found: {chosen[0]}. "
            "Correct CXX, or unset it, and run this again."
        )
    if any(shutil.which(name) for name in COMPILERS):
        return
    raise SetupFault(
        f"No C++ compiler was found (looked for {', '.join(COMPILERS)}). The local engine llama-cpp-python comes as "
        "source and is compiled here: install one (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; "
        "macOS: xcode-select --install) and run this again. For endpoints alone no compiler is needed: pip install ."
    )


# The environment ----------------------------------------------------------------------------------------------------


def fingerprint() -> dict[str, str]:
    """What an installation depends on besides its extra: the Python and ``pyproject.toml``."""
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return {"python": sys.version, "pyproject": project, "root": str(ROOT)}


def is_installed(extra: str) -> bool:
    """Whether .venv already has what ``extra`` needs, from this very ``pyproject.toml`` and Python."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return stamp.pop("extra", None) in CONTAINS[extra] and stamp == fingerprint() and venv_python() == sys.version


def venv_python() -> str | None:
    """Which Python .venv has, or None when it has none that starts (a removed Python leaves a dead link)."""
    command = [str(BIN / "python"), "-c", "import sys; print(sys.version)"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return None if done.returncode else done.stdout.strip()


def make_venv() -> None:
    """Make .venv, or make it again when its Python is another one or does not start."""
    found = venv_python()
    if found == sys.version:
        return
    if found and not LOG.exists():
        raise SetupFault(
            f"{VENV} has another Python ({found.split()[0]}) and was not made here: rename or remove it, "
            "or run this with that Python."
        )
    again = ["--clear"] if VENV.exists() else []
    command = [sys.executable, "-m", "venv", *again, str(VENV)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise SetupFault(f"The environment {VENV} could not be made: {explain(done.stdout)}")


def install(extra: str) -> None:
    """Install promptlab with ``extra`` into .venv, showing what is happening; everything pip says goes to the log."""
    print(
        "Installing promptlab into .venv. The local engine, llama-cpp-python, comes as source and is compiled here:\n"
        f"that takes some minutes, once. The whole output goes to {LOG.relative_to(ROOT)}.",
        flush=True,
    )
    # Editable, so that a pulled or edited source is what runs without installing again.
    pip = [str(BIN / "python"), "-m", "pip", "install", "--verbose", "--progress-bar=off"]
    started = time.monotonic()
    with LOG.open("w", encoding="utf-8") as log:
        code = follow([*pip, "-e", f".[{extra}]"], log)
    if code:
        raise SetupFault(
            f"The installation failed. {explain(LOG.read_text(encoding='utf-8'))} The whole output is in {LOG}."
        )
    STAMP.write_text(json.dumps({**fingerprint(), "extra": extra}), encoding="utf-8")
    print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)


# What is happening --------------------------------------------------------------------------------------------------


STEPS = {
    "Collecting": "fetching",
    "Downloading": "fetching",
    "Using cached": "fetching",
    "Building wheel for": "building",
    "Installing collected packages": "copying the packages into .venv",
}


def stage_of(line: str) -> str | None:
    """What a line of ``pip install --verbose`` says is happening, or None when it says nothing worth showing."""
    compiled = re.match(r"\s*\[(\d+)/(\d+)\] ", line)
    if compiled:
        return f"compiling llama-cpp-python, step {compiled[1]} of {compiled[2]}"
    words = re.match(rf"\s*({'|'.join(STEPS)})\b:?\s*(.*)", line)
    if not words:
        return None
    if words[1] == "Installing collected packages":
        return STEPS[words[1]]
    what = re.split(r"[\s(=<>!~;\[]", words[2].strip(), maxsplit=1)[0].rsplit("/", 1)[-1]
    what = re.sub(r"(-py\d|-cp\d|\.tar\.gz).*", "", what)
    return f"{STEPS[words[1]]} {what}"


class Progress:
    """One line about what is happening: redrawn in place on a terminal, else printed now and then."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._live = out.isatty()
        self._started = time.monotonic()
        self._printed = self._started
        self.stage = "starting pip"

    def tick(self) -> None:
        """Show the stage and the seconds so far."""
        now = time.monotonic()
        text = f"{now - self._started:4.0f} s  {self.stage}"
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{text[:width]:<{width}}", end="", file=self._out, flush=True)
        elif now - self._printed >= PLAIN_EVERY:
            print(text, file=self._out, flush=True)
            self._printed = now

    def close(self) -> None:
        """Leave an empty line behind on a terminal."""
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{'':<{width}}\r", end="", file=self._out, flush=True)


def follow(command: list[str], log: IO[str]) -> int:
    """Run ``command`` in the repository, write its output to ``log`` and show the stage; returns its exit code."""
    progress = Progress(sys.stdout)
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    reader = threading.Thread(target=_read, args=(child, log, progress), daemon=True)
    reader.start()
    try:
        while reader.is_alive():
            progress.tick()
            reader.join(0.2)
        return child.wait()
    except KeyboardInterrupt:
        # From a terminal pip got the Ctrl-C as well, and takes a moment to remove its temporary folders.
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.terminate()
        raise
    finally:
        progress.close()


def _read(child: subprocess.Popen[str], log: IO[str], progress: Progress) -> None:
    for line in child.stdout or ():
        with contextlib.suppress(OSError):  # a full disk must not stop the reading: pip would block
            log.write(line)
        progress.stage = stage_of(line) or progress.stage


CAUSES = {
    r"No space left on device|\[Errno 28\]": "The disk is full: make room and run this again.",
    r"Failed to establish a new connection|Temporary failure in name resolution|NameResolutionError|ConnectTimeout|"
    r"Connection refused|ProxyError|SSLError|Read timed out|from versions: none": (
        "pip could not get a package from its index: check the network, the proxy or the index "
        "(pip config list shows it) and run this again."
    ),
    r"No CMAKE_(C|CXX)_COMPILER could be found|is not able to compile a simple test program": (
        "The compiler does not work: try it on a small program, or name another one with the variables CC and CXX."
    ),
    r"Killed signal terminated program|cannot allocate memory": (
        "The compiler ran out of memory: close other programs and run this again."
    ),
    r"Failed building wheel for llama[-_]cpp[-_]python": "llama-cpp-python could not be compiled.",
    r"Permission denied|\[Errno 13\]": "A file could not be written: check the permissions of this folder.",
}
"""What a failed command prints, as a pattern, and the sentence that says what to do."""


def explain(output: str) -> str:
    """The cause of a failure as one sentence, from what was printed; else the line that says most."""
    for pattern, sentence in CAUSES.items():
        if re.search(pattern, output, re.IGNORECASE):
            return sentence
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no reason was given"]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines)[-1]


# The two commands ---------------------------------------------------------------------------------------------------


def prepare(extra: str) -> None:
    """Have .venv ready with ``extra``; quick when it already is."""
    if is_installed(extra):
        return
    check_venv_module()
    check_compiler()
    make_venv()
    install(extra)


def workers() -> int:
    """Processes for the tests: one per processor that may be used, between 2 and 4."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
    return max(2, min(4, usable))


def start(command: list[str]) -> int:
    """Become ``command`` where the system allows it, so that it owns the terminal and its signals; else run it."""
    if os.name == "posix":
        sys.stdout.flush()
        os.execv(command[0], command)
    return subprocess.call(command)


def main(arguments: list[str]) -> int:
    """Run one of the two commands; returns the exit code."""
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if name not in EXTRA:
        print((__doc__ or "").strip(), file=sys.stdout if name in ("-h", "--help") else sys.stderr)
        return 0 if name in ("-h", "--help") else 2
    try:
        check_python()
        check_git()
        prepare(EXTRA[name])
    except SetupFault as fault:
        print(f"setup: {fault}", file=sys.stderr)
        return 1
    except OSError as fault:
        print(f"setup: {explain(str(fault))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nsetup: stopped. Run the same command to go on; pip keeps what it fetched.",
            file=sys.stderr,
        )
        return 130
    if name == "demo":
        return start([str(BIN / "promptlab"), "demo", *rest])
    os.chdir(ROOT)
    return start([str(BIN / "python"), "-m", "pytest", "-n", str(workers()), *rest])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
