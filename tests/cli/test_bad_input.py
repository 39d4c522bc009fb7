"""What a person sees for each kind of bad input: one clear sentence, the right exit code, nothing lost."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer, drop, hang, raw, status

from promptlab.cli.main import run
from promptlab.models.retry import RetryPolicy

LONG = "word " * 3000
Damage = Callable[[Path], object]


def toml(**changes: str) -> Damage:
    """Replace text in promptlab.toml."""

    def damage(folder: Path) -> None:
        path = folder / "promptlab.toml"
        text = path.read_text()
        for old, new in changes.items():
            text = text.replace(old.replace("_", " "), new)
        path.write_text(text)

    return damage


def model(text: str) -> Damage:
    """The default model is this one."""

    def damage(folder: Path) -> None:
        rest = '[defaults]\nmodels = ["it"]\nevalset = "tickets"\n'
        (folder / "promptlab.toml").write_text(f"[models.it]\n{text}\n{rest}")

    return damage


def file(path: str, text: str | bytes) -> Damage:
    def damage(folder: Path) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())

    return damage


def both(*damages: Damage) -> Damage:
    return lambda folder: [damage(folder) for damage in damages]


EXAMPLES = places.evalset_text()
BAD_FILES = {
    "a missing GGUF": (
        model('gguf = "none.gguf"'),
        ["run", "triage"],
        3,
        r"none\.gguf.*(no such file|does not exist|not there)",
    ),
    "a corrupt GGUF": (
        both(file("bad.gguf", b"GGUF" + b"\xff" * 64), model('gguf = "bad.gguf"')),
        ["run", "triage"],
        3,
        r"bad\.gguf",
    ),
    "a file that is no GGUF": (
        both(file("bad.gguf", b"hello"), model('gguf = "bad.gguf"')),
        ["run", "triage"],
        3,
        r"bad\.gguf.*not a GGUF",
    ),
    "an unknown demo model": (model('gguf = "demo:nino"'), ["run", "triage"], 3, r"demo model.*nano"),
    "a missing key variable": (
        model('model = "gpt"\napi_key_env = "PROMPTLAB_NO_SUCH_KEY"'),
        ["run", "triage"],
        3,
        r"PROMPTLAB_NO_SUCH_KEY.*not set",
    ),
    "an endpoint that may not have the key": (
        model('model = "gpt"\nbase_url = "https://llm.example.org/v1"\napi_key_env = "HOME"'),
        ["run", "triage"],
        3,
        r"promptlab trust",
    ),
    "an endpoint that refuses": (
        model('model = "gpt"\nbase_url = "http://127.0.0.1:9/v1"'),
        ["run", "triage"],
        3,
        r"refused the connection",
    ),
    "a key in the file": (
        model('model = "gpt"\napi_key = "sk-very-secret"'),
        ["check"],
        2,
        r"promptlab\.toml:3.*api_key",
    ),
    "invalid TOML": (
        file("prompts/triage.toml", "a = 1\nb = = 2\n"),
        ["run", "triage"],
        2,
        r"prompts/triage\.toml:2",
    ),
    "invalid TOML in the settings": (file("promptlab.toml", "[models"), ["check"], 2, r"promptlab\.toml:1"),
    "an unknown key": (
        file("prompts/triage.toml", places.SECOND.replace("role", "rol")),
        ["check"],
        2,
        r"prompts/triage\.toml:4.*rol.*role",
    ),
    "duplicate example ids": (
        file("evalsets/tickets.toml", EXAMPLES.replace('"t2"', '"t1"')),
        ["run", "triage"],
        2,
        r"t1.*twice|t1.*also|two examples.*t1",
    ),
    "a variable missing in every example": (
        file("prompts/triage.toml", places.SECOND.replace("{{ ticket }}", "{{ text }}")),
        ["run", "triage"],
        2,
        r"`text`.*missing in 8 of 8",
    ),
    "a template that does not compile": (
        file("prompts/triage.toml", places.SECOND.replace("}}", "")),
        ["check"],
        2,
        r"prompts/triage\.toml:5",
    ),
    "no prompt at all": (
        lambda folder: shutil.rmtree(folder / "prompts"),
        ["run", "triage"],
        2,
        r"no prompt.*prompts/",
    ),
    "no eval set at all": (
        both(lambda folder: shutil.rmtree(folder / "evalsets"), toml(**{'evalset_=_"tickets"': ""})),
        ["run", "triage"],
        2,
        r"There is no eval set yet",
    ),
    "not a workspace": (lambda folder: (folder / "promptlab.toml").unlink(), ["check"], 2, r"promptlab init"),
    "an example longer than the context": (
        both(model('gguf = "demo:nano"'), file("evalsets/tickets.toml", EXAMPLES.replace("I like your logo.", LONG))),
        ["run", "triage"],
        3,
        r"tokens.*1[ ,]?024|1[ ,]?024.*tokens",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files(
    case: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, args, code, sentence = BAD_FILES[case]
    damage(folder)
    monkeypatch.chdir(folder)
    answered = run(args)
    out, err = capsys.readouterr()
    assert re.search(sentence, out + err, re.IGNORECASE | re.DOTALL), out + err
    assert answered == code, out + err
    assert "Traceback" not in out + err
    assert "sk-very-secret" not in out + err


BAD_ANSWERS = {
    "401": (lambda: status(401, "bad key"), r"401"),
    "404": (lambda: status(404, "no such model"), r"404.*|not found"),
    "429": (lambda: status(429, "slow down", retry_after="0"), r"429|rate limit"),
    "500": (lambda: status(500, "oops"), r"500"),
    "a timeout": (lambda: hang(3), r"no answer|did not answer|timed? ?out"),
    "a malformed body": (lambda: raw(b"<html>hello"), r"not.*(JSON|understood|protocol|OpenAI)"),
    "a dropped connection": (lambda: drop(), r"connection"),
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
def test_bad_answers(
    case: str,
    folder: Path,
    server: LoopbackServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer, sentence = BAD_ANSWERS[case]
    toml(**{"timeout_=_5.0": "timeout = 0.2"})(folder)
    server.rule = lambda asked: answer()
    monkeypatch.chdir(folder)
    # The waits between the tries are the retry tests' matter; here they would only take time.
    monkeypatch.setattr("promptlab.models.endpoint.RetryPolicy", lambda: RetryPolicy(retries=2, first=0.01))
    code = run(["run", "triage", "--only", "t1"])
    out, err = capsys.readouterr()
    assert code == 3, out + err
    assert re.search(sentence, out + err, re.IGNORECASE), out + err
    assert "api" in out + err
    assert "Traceback" not in out + err
    assert places.git(folder, "tag") == ""


def cli(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "promptlab", *args]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, **env}, check=False, timeout=60
    )


def test_no_git(folder: Path, tmp_path: Path) -> None:
    done = cli(folder, "run", "triage", PATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "git is not installed" in done.stderr
    assert "The run is kept" in done.stderr


def test_not_a_repository(folder: Path) -> None:
    shutil.rmtree(folder / ".git")
    done = cli(folder, "run", "triage", GIT_CEILING_DIRECTORIES=str(folder.parent))
    assert done.returncode == 0, done.stderr
    assert "is not in a git repository: run `git init` here" in done.stderr


def test_a_bare_repository(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    places.git(folder, "clone", "-q", "--bare", ".", str(bare))
    for name in ("promptlab.toml", "prompts", "evalsets"):
        source = folder / name
        shutil.copytree(source, bare / name) if source.is_dir() else shutil.copy(source, bare / name)
    done = cli(bare, "log", "triage")
    assert done.returncode == 0
    assert "bare" in done.stderr


# The pattern does not match itself: a process just forked off this one still has its command line.
KILLER = """
import os, signal, subprocess, sys, threading, time

def hunt():
    while True:
        command = ["pgrep", "-P", str(os.getpid()), "-f", "gguf[.]child"]
        found = subprocess.run(command, capture_output=True, text=True)
        for pid in found.stdout.split():
            os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.01)

threading.Thread(target=hunt, daemon=True).start()
from promptlab.cli.main import run
sys.exit(run(["run", "triage", "-m", "nano", "--only", "t1"]))
"""


def test_a_model_child_that_dies(folder: Path) -> None:
    """The engine is killed whenever it starts to answer: the cells say so, and the program goes on."""
    done = subprocess.run(
        [sys.executable, "-c", KILLER], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "SIGKILL" in done.stderr
    assert "Traceback" not in done.stderr


def mounted(options: str, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run promptlab with the workspace on a small disk of its own, in a mount namespace that ends with it."""
    script = f'mount -t tmpfs -o size=400k tmpfs "$0" && cp -r "$1/." "$0" && cd "$0" && {options} shift; exec "$@"'
    place = folder.parent / "mounted"
    place.mkdir()
    command = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        script,
        str(place),
        str(folder),
        sys.executable,
        "-m",
        "promptlab",
        *args,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("this machine allows no mount namespace")
    return done


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs util-linux")
def test_a_full_disk(folder: Path) -> None:
    full = "dd if=/dev/zero of=.git/filler bs=1k >/dev/null 2>&1;"
    done = mounted(full, folder, "run", "triage")
    assert done.returncode != 0, done.stdout
    assert re.search(r"disk is full|no space", done.stderr, re.IGNORECASE), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs util-linux")
def test_a_read_only_folder(folder: Path) -> None:
    done = mounted('mount -o remount,ro "$0";', folder, "run", "triage")
    assert done.returncode == 0, done.stderr
    assert "Not committed: " in done.stderr
    assert re.search(r"read-only|cannot be written|not writable", done.stderr, re.IGNORECASE), done.stderr
    assert "Traceback" not in done.stderr


def test_no_colour(folder: Path) -> None:
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        done = cli(folder, "diff", "triage@v1", "triage", **env)
        assert done.returncode == 0
        assert "{+Label" in done.stdout
        assert "\x1b" not in done.stdout


def test_a_workspace_with_zero_prompts_is_no_error(folder: Path) -> None:
    shutil.rmtree(folder / "prompts")
    done = cli(folder, "check")
    assert (done.returncode, done.stdout) == (0, "")
    assert "0 prompts" in done.stderr
    assert cli(folder, "log").returncode == 0
