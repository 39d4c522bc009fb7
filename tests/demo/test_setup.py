"""The one-command set-up: what it says when something is missing, and that it installs, runs and is quick again."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "setup.py"

# A project that installs without any index: its build backend lies beside it and writes the wheel by hand. It brings
# a stand-in for pytest, so that what the set-up starts can be seen.
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny"
version = "1"
[project.optional-dependencies]
dev = []
local = []
"""
BACKEND = """
import zipfile

FILES = {
    "pytest.py": "import sys; print('tests run with', sys.argv[1:]); sys.exit(7)",
    "tiny-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\nProvides-Extra: dev\\n",
    "tiny-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: tiny\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "tiny-1.dist-info/RECORD": "",
}


def build_editable(folder, settings=None, metadata=None):
    with zipfile.ZipFile(f"{folder}/tiny-1-py3-none-any.whl", "w") as wheel:
        for name, text in FILES.items():
            wheel.writestr(name, text)
    return "tiny-1-py3-none-any.whl"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tools").mkdir()
    shutil.copy(SCRIPT, tmp_path / "tools")
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "backend.py").write_text(BACKEND)
    return tmp_path


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder for PATH with git and nothing else."""
    folder = tmp_path / "path"
    folder.mkdir()
    (folder / "git").symlink_to(shutil.which("git") or "git")
    return folder


def run(project: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "COV_", "PYTEST"))}
    # CXX is set, so that these tests need no compiler; no test here gets as far as compiling something.
    variables |= {"CXX": sys.executable, "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"} | env
    command = [sys.executable, str(project / "tools" / "setup.py"), *args]
    return subprocess.run(
        command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("promptlab_setup", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_a_compiler_it_says_so_before_anything_is_made(project: Path, tools: Path) -> None:
    done = run(project, "demo", PATH=str(tools), CXX="")
    assert done.returncode == 1
    assert done.stderr == (
        "setup: No C++ compiler was found (looked for c++, g++, clang++). The local engine llama-cpp-python comes as "
        "source and is compiled here: install one (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; "
        "macOS: xcode-select --install) and run this again. "
        "For endpoints alone no compiler is needed: pip install .\n"
    )
    assert not (project / ".venv").exists()


def test_a_compiler_that_the_variable_names_must_exist(project: Path, tools: Path) -> None:
    done = run(project, "test", PATH=str(tools), CXX="/opt/none/g++ -O1")
    assert done.returncode == 1
    assert "that the variable CXX names was not found: /opt/none/g++. Correct CXX" in done.stderr


def test_without_git_it_says_so(project: Path) -> None:
    done = run(project, "demo", PATH=str(project))
    assert done.returncode == 1
    assert done.stderr.startswith(
        "setup: git was not found: promptlab keeps versions of prompts and saved runs in it."
    )


def test_without_a_command_it_shows_the_two(project: Path) -> None:
    done = run(project)
    assert done.returncode == 2
    assert "tools/setup.py demo [DIR] [--fresh]" in done.stderr
    assert "tools/setup.py test [PYTEST OPTIONS]" in done.stderr
    assert run(project, "--help").returncode == 0


def test_an_older_python_can_read_the_script_and_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 8))
    setup = load()
    monkeypatch.setattr(setup, "REQUIRED", (99, 1))
    monkeypatch.setenv("PATH", "")
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    with pytest.raises(setup.SetupFault) as caught:
        setup.check_python()
    assert str(caught.value) == (
        f"promptlab needs Python 99.1 or newer; this is Python {here} ({sys.executable}). "
        "Install a newer Python and run this with it."
    )


def test_a_newer_python_on_the_path_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = load()
    (tmp_path / "python3.13").symlink_to(sys.executable)
    monkeypatch.setattr(setup, "REQUIRED", (99, 1))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        setup.SetupFault, match=r"python3\.13 is installed: run `python3\.13 tools/setup\.py` instead\."
    ):
        setup.check_python()


def test_a_python_without_venv_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = load()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(setup.SetupFault, match="has no module venv and no module ensurepip: it cannot make"):
        setup.check_venv_module()


def test_an_environment_of_another_python_is_not_taken_over(project: Path) -> None:
    other = project / ".venv" / "bin" / "python"
    other.parent.mkdir(parents=True)
    other.write_text("#!/bin/sh\necho 3.9.1 '(main)'\n")
    other.chmod(0o755)
    done = run(project, "test")
    assert done.returncode == 1
    assert done.stderr == (
        f"setup: {project}/.venv has another Python (3.9.1) and was not made here: rename or remove it, "
        "or run this with that Python.\n"
    )
    assert other.read_text().startswith("#!/bin/sh")


def test_it_installs_once_runs_the_tests_and_tells_what_a_later_installation_fails_of(project: Path) -> None:
    first = run(project, "test", "-x")
    assert first.returncode == 7, first.stderr + first.stdout
    assert "llama-cpp-python, comes as source and is compiled here:\nthat takes some minutes" in first.stdout
    assert "Installed in " in first.stdout
    assert first.stdout.splitlines()[-1].startswith("tests run with ['-n', '")
    assert first.stdout.endswith("'-x']\n")

    again = run(project, "test")
    assert again.returncode == 7
    assert "Install" not in again.stdout

    # A changed pyproject.toml is installed again; here the log cannot take a byte, as on a full disk.
    (project / "pyproject.toml").write_text(PROJECT + "# changed\n")
    (project / ".venv" / "install.log").unlink()
    (project / ".venv" / "install.log").symlink_to("/dev/full")
    full = run(project, "test")
    assert full.returncode == 1
    assert full.stderr == "setup: The disk is full: make room and run this again.\n"
    (project / ".venv" / "install.log").unlink()

    # An index out of reach gets a sentence and a log.
    (project / "pyproject.toml").write_text(PROJECT.replace("dev = []", 'dev = ["promptlab-needs-this"]'))
    (project / "backend.py").write_text(
        BACKEND.replace(
            "Provides-Extra: dev\\n",
            "Provides-Extra: dev\\nRequires-Dist: promptlab-needs-this; extra == 'dev'\\n",
        )
    )
    done = run(project, "test", PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert done.returncode == 1
    assert done.stderr == (
        "setup: The installation failed. pip could not get a package from its index: check the network, the proxy or "
        "the index (pip config list shows it) and run this again. "
        f"The whole output is in {project}/.venv/install.log.\n"
    )
    assert "promptlab-needs-this" in (project / ".venv" / "install.log").read_text()


@pytest.mark.parametrize(
    ("line", "stage"),
    [
        ("  [23/193] /usr/bin/g++ -O3 -c ggml.c\n", "compiling llama-cpp-python, step 23 of 193"),
        ("Collecting textual<9,>=8.2 (from promptlab-tui==0.1)\n", "fetching textual"),
        ("  Downloading numpy-2.3.1-cp311-cp311-manylinux_2_28_x86_64.whl (16.9 MB)\n", "fetching numpy-2.3.1"),
        ("  Using cached https://host/a/llama_cpp_python-0.3.36.tar.gz\n", "fetching llama_cpp_python-0.3.36"),
        ("  Building wheel for llama-cpp-python (pyproject.toml): started\n", "building llama-cpp-python"),
        ("Installing collected packages: a, b\n", "copying the packages into .venv"),
        ("  Running command pip subprocess to install build dependencies\n", None),
    ],
)
def test_what_pip_prints_is_told_as_a_stage(line: str, stage: str | None) -> None:
    assert load().stage_of(line) == stage


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "The disk is full"),
        ("CMake Error: No CMAKE_CXX_COMPILER could be found.\nFailed building wheel", "The compiler does not work"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "The compiler ran out of memory"),
        ("  ERROR: Failed building wheel for llama-cpp-python", "llama-cpp-python could not be compiled."),
        ("ERROR: Could not find a version that satisfies x (from versions: none)", "pip could not get a package"),
        ("something\nERROR: this and that\n[notice] a new pip", "ERROR: this and that"),
        ("", "no reason was given"),
    ],
)
def test_a_failure_is_told_as_one_sentence(output: str, sentence: str) -> None:
    assert load().explain(output).startswith(sentence)
