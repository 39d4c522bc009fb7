"""``promptlab models``, ``models info`` and ``models bench``."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from gguf_support import gguf_entry, gguf_text, write_header

from promptlab.cli.main import run
from promptlab.models.measures import known_speeds

local = pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="the local engine is not installed")

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def test_info_of_a_file(capsys: Captured) -> None:
    assert run(["models", "info", "nano"]) == 0
    facts = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line[:1].strip())
    assert facts["architecture"] == "llama"
    assert facts["quantisation"] == "Q8_0 99.8%, F32 0.2%"
    assert facts["size"] == "1.0 MB"
    assert facts["context"] == "1024 tokens"
    assert facts["license"] == "MIT"
    assert facts["digest"].startswith("gguf:")
    assert facts["chat"].startswith("template    {% for message in messages %}")


def test_info_of_an_endpoint_and_as_json(capsys: Captured) -> None:
    assert run(["models", "info", "api"]) == 0
    out = capsys.readouterr().out
    assert "kind          an endpoint\n" in out
    assert "price         1 in, 2 out USD per 1M tokens\n" in out
    assert "architecture" not in out
    assert run(["models", "info", "api", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["model"]
    assert (found["timeout"], found["header"], found["info"]["data_goes"]) == (5.0, None, "this machine")


def test_a_template_is_never_a_command_to_the_terminal(folder: Path, capsys: Captured) -> None:
    hostile = gguf_entry(b"tokenizer.chat_template", 8, gguf_text(b"\x1b[2Jhello"))
    write_header(folder / "bad.gguf", [gguf_entry(b"general.architecture", 8, gguf_text(b"x\x07")), hostile], [])
    (folder / "promptlab.toml").write_text('[models.bad]\ngguf = "bad.gguf"\n')
    assert run(["models", "info", "bad"]) == 0
    out = capsys.readouterr().out
    assert "␛[2Jhello" in out
    assert not {"\x1b", "\x07"} & set(out)


def test_names_that_cannot_be_measured(capsys: Captured) -> None:
    assert run(["models", "bench", "nana"]) == 2
    assert "There is no model “nana”. Did you mean `nano`?" in capsys.readouterr().err
    assert run(["models", "bench", "api"]) == 2
    assert "api is an endpoint. Only models in files on this machine can be measured." in capsys.readouterr().err


@local
@pytest.mark.local
def test_bench_measures_the_good_ones_and_the_table_of_models_shows_it(folder: Path, capsys: Captured) -> None:
    with (folder / "promptlab.toml").open("a") as file:
        file.write('[models.gone]\ngguf = "gone.gguf"\n')
    assert run(["models", "bench", "gone", "nano"]) == 3
    out, err = capsys.readouterr()
    head, row = out.splitlines()
    assert head.split()[:4] == ["name", "threads", "load", "memory"]
    assert row.startswith("nano ")
    assert "–" not in row
    assert "gone.gguf: there is no such file." in err
    assert run(["models"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("nano"))
    assert "tok/s" in line


@local
@pytest.mark.local
def test_ctrl_c_keeps_what_was_measured(folder: Path) -> None:
    command = [sys.executable, "-m", "promptlab", "models", "bench", "nano"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder) as process:
        watchdog = threading.Timer(30, process.kill)
        watchdog.start()
        assert process.stderr is not None
        while "measuring" not in process.stderr.readline():
            pass
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate()
        watchdog.cancel()
    assert process.returncode == 4
    assert err.endswith("Cancelled. What was measured is kept.\n")
    assert out.splitlines()[1].startswith("nano ")
    assert [one.load is not None for one in known_speeds()] == [True]
