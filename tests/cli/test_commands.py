"""The loop from the command line: exit codes, data on stdout, narration on stderr."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import places
import pytest
from loopback import LoopbackServer, hang, status

from promptlab.cli.main import COMMANDS, cli, run


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Said]


@pytest.fixture
def promptlab(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(folder)

    def command(*args: str) -> Said:
        code = run(list(args))
        return Said(code, *capsys.readouterr())

    return command


def test_the_whole_loop_in_three_commands(promptlab: Command, folder: Path, server: LoopbackServer) -> None:
    (folder / "prompts" / "triage.toml").write_text(places.SECOND.replace("Label this", "Label this ticket"))
    before = places.fingerprint(folder)
    said = promptlab("run", "triage@v1", "triage")
    assert said.code == 0, said.err
    assert "BETTER" in said.out
    assert "triage* · api" in said.out
    assert "Committed as run/triage/" in said.err
    assert places.fingerprint(folder) == before

    tag = places.git(folder, "tag", "-n").split()[0]
    shown = places.git(folder, "show", tag)
    for part in ("Label this ticket", '"text":"billing"', '"exact":1.0', "What is this about?"):
        assert part in shown, part

    asked = len(server.asked)
    again = promptlab("run", "triage@v1", "triage")
    assert (again.code, len(server.asked)) == (0, asked)
    assert f"Nothing to run: {tag} did exactly this." in again.err
    assert again.out == said.out

    example = promptlab("show", "last", "--example", "t1")
    assert "I was charged twice." in example.out
    assert "exact 1" in example.out


def test_json_is_data_on_stdout_and_nothing_else(promptlab: Command) -> None:
    said = promptlab("run", "triage@v1", "triage", "--json")
    report = said.data["run"]
    assert [column["label"] for column in report["columns"]] == ["triage@v1 · api", "triage@v2 · api"]
    assert report["columns"][1]["verdict"]["status"] == "BETTER"
    assert report["columns"][1]["against"] == "a"
    for args in (
        ["runs"],
        ["log"],
        ["log", "triage"],
        ["show", "last"],
        ["show", "last", "--example", "t1"],
        ["show", "triage@v1"],
        ["compare", "last:a", "last:b"],
        ["diff", "triage@v1", "triage"],
        ["check"],
        ["models"],
        ["score", "last", "-M", "exact"],
    ):
        said = promptlab(*args, "--json")
        assert said.code == 0, (args, said)
        assert said.data, args


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_the_list_of_runs_marks_one_whose_commit_is_lost(promptlab: Command, folder: Path, how: str) -> None:
    promptlab("run", "triage@v1")
    promptlab("run", "triage@v2")
    newest, oldest = (run["id"] for run in promptlab("runs", "--json").data["runs"])
    assert promptlab("runs").err == ""
    commit = places.git(folder, "rev-parse", f"run/triage/{oldest}^{{commit}}").strip()
    file = folder / ".git" / "objects" / commit[:2] / commit[2:]
    file.unlink()
    if how == "empty":
        file.touch()

    said = promptlab("runs")
    assert [(line.split()[0], line.split()[3]) for line in said.out.splitlines()[1:]] == [
        (newest, "saved"),
        (oldest, "lost"),
    ]
    assert f"`promptlab show {oldest}` says how to fetch it again." in said.err
    assert [run["state"] for run in promptlab("runs", "triage", "--json").data["runs"]] == ["saved", "lost"]
    shown = promptlab("show", oldest)
    assert (shown.code, shown.out) == (2, "")
    assert f"The run {oldest} cannot be opened: its tag is here" in shown.err


def test_the_same_data_as_text(promptlab: Command) -> None:
    promptlab("run", "triage@v1", "triage")
    for args, part in (
        (["runs"], "run triage on tickets: exact 100.0 % triage@v2 · api, BETTER by +100.0 points"),
        (["log", "triage"], "Name the labels"),
        (["show", "triage@v1"], "What is this about?"),
        (["compare", "last:a", "last:b"], "▲ better  t1\n    [-It is about -]billing"),
        (["diff", "triage@v1", "triage"], "{+Label"),
        (["models"], "this machine"),
        (["score", "last", "-M", "length"], "length"),
    ):
        said = promptlab(*args)
        assert said.code == 0, said
        assert part in said.out, (args, said.out)


def test_gates(promptlab: Command) -> None:
    assert promptlab("run", "triage@v1", "triage", "--fail-on", "worse").code == 0
    worse = promptlab("run", "triage", "triage@v1", "--fail-on", "worse")
    assert worse.code == 1
    assert "Gate failed: triage@v1 · api is WORSE on exact." in worse.out
    assert promptlab("run", "triage@v1", "triage", "--min", "exact=0.9").code == 0
    low = promptlab("run", "triage@v1", "--min", "exact=0.9", "--json")
    assert low.code == 1
    assert low.data["gates"][0]["sentence"] == "triage@v1 · api reaches 0 on exact, 0.9 is required."
    assert promptlab("run", "triage", "--min", "exakt=0.9").code == 2
    assert "“high” is not a number" in promptlab("run", "triage", "--min", "exact=high").err


def test_gates_that_cannot_judge_are_refused(promptlab: Command) -> None:
    for args, sentence in (
        (["--fail-on", "worse"], "--fail-on needs something to compare"),
        (["--min", "exact=nan"], "“nan” is not a number"),
        (["--min", "exact=75"], "exact is a share. Write 0.75 or 75%."),
    ):
        said = promptlab("run", "triage", *args)
        assert said.code == 2
        assert sentence in said.err
    assert promptlab("run", "triage@v1", "--min", "exact=75%").code == 1


def test_the_old_version_is_not_gated_on_any_model(promptlab: Command, folder: Path) -> None:
    text = (folder / "promptlab.toml").read_text()
    second = text.split("[models.nano]", maxsplit=1)[0].replace("models.api", "models.two").replace("scripted", "two")
    (folder / "promptlab.toml").write_text(second + text)
    said = promptlab(
        "run", "triage@v1", "triage", "-m", "api", "-m", "two", "--fail-on", "not-better", "--min", "exact=0.9"
    )
    assert said.code == 0, said.out
    assert "triage@v2 · api, BETTER by +100.0 points" in promptlab("runs").out


def test_a_few_failed_cells_are_asked_again(
    promptlab: Command, folder: Path, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptlab.cli.run.FAILED_SHARE", 0.2)  # one of eight is few here
    server.rule = lambda asked: status(400, "no") if "logo" in asked.text else None
    assert promptlab("run", "triage").code == 0
    server.rule = None
    asked = len(server.asked)
    assert promptlab("run", "triage").code == 0
    assert len(server.asked) == asked + 1
    assert "did exactly this" in promptlab("run", "triage").err


def test_the_trend_measures_with_one_ruler(promptlab: Command) -> None:
    promptlab("run", "triage@v1", "triage")
    promptlab("run", "triage@v1", "--sample", "3")
    promptlab("run", "triage", "--set", "temperature=0.5")
    said = promptlab("log", "triage")
    assert "exact on tickets, n = 8, api" in said.out
    assert [f" {share} %  " in said.out for share in ("0.0", "100.0")] == [True, True]
    past = promptlab("log", "triage", "--json").data["prompts"][0]
    assert past["trend"] == [0.0, 1.0]
    assert "triage@v2 · api · temperature=0.5" in promptlab("show", "last").out


def test_a_column_is_not_compared_with_itself(promptlab: Command) -> None:
    promptlab("run", "triage@v1", "triage")
    assert "the same column" in promptlab("compare", "last", "last:b").err
    said = promptlab("diff", "triage", "triage@v2")
    assert (said.code, said.out.splitlines()[1:]) == (0, ["The two are the same."])


def test_output_that_nobody_takes_is_no_failure(promptlab: Command, folder: Path) -> None:
    assert promptlab("run", "triage@v1", "triage").code == 0
    for command, code in (
        ("diff triage@v1 triage | head -1", 0),
        ("runs --json | head -1", 0),
        ("log > /dev/full", 2),
        ("PYTHONIOENCODING=latin-1 show last", 0),
    ):
        words = command.split(" ")
        env = words.pop(0) if "=" in words[0] else ""
        shell = f"set -o pipefail; {env} {sys.executable} -m promptlab {' '.join(words)}"
        done = subprocess.run(["bash", "-c", shell], cwd=folder, capture_output=True, check=False)
        assert done.returncode == code, (command, done.stderr)
        assert b"Traceback" not in done.stderr
        assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("stream", ["0", "1", "2"])
def test_a_stream_that_is_closed_is_no_traceback(folder: Path, tmp_path: Path, stream: str) -> None:
    command = [
        sys.executable,
        "-c",
        "import os, sys; os.close(int(sys.argv[1])); os.execv(sys.executable, sys.argv[2:])",
    ]
    program = [sys.executable, "-X", "dev", "-m", "promptlab", "run", "triage", "--no-commit", "--sample", "2"]
    done = subprocess.run([*command, stream, *program], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert ("run 2" in done.stdout, "2 of 2 cells" in done.stderr) == (stream != "1", stream != "2")


def test_options_narrow_the_run(promptlab: Command) -> None:
    assert promptlab("run", "triage", "--sample", "3", "--no-commit", "--json").data["run"]["examples"] == 3
    assert promptlab("run", "triage", "--only", "billing", "--no-commit", "--json").data["run"]["examples"] == 3
    assert (
        promptlab("run", "triage", "--only", "t1", "--only", "t2", "--no-commit", "--json").data["run"]["examples"]
        == 2
    )
    assert promptlab("run", "triage", "-k", "2", "--no-commit", "--json").data["run"]["trials"] == 2
    said = promptlab("run", "triage", "--baseline", "triage@v1", "--no-commit", "--json").data["run"]
    assert [column["subject"] for column in said["columns"]] == ["triage@v1", "triage"]
    assert said["baseline"] == "a"


def test_no_commit_leaves_no_tag(promptlab: Command, folder: Path) -> None:
    said = promptlab("run", "triage", "--no-commit")
    assert said.code == 0
    assert places.git(folder, "tag") == ""
    assert "Not committed (--no-commit)" in said.err


def test_an_endpoint_that_is_not_there_is_exit_3(promptlab: Command, folder: Path) -> None:
    (folder / "promptlab.toml").write_text(places.settings_text("http://127.0.0.1:9/v1"))
    said = promptlab("run", "triage")
    assert said.code == 3
    assert "refused the connection" in said.err + said.out
    assert "Not committed" in said.err
    assert places.git(folder, "tag") == ""


def test_a_score_that_is_missing_is_told_with_its_reason(promptlab: Command, folder: Path) -> None:
    path = folder / "evalsets" / "tickets.toml"
    path.write_text(path.read_text().replace('expected = "other"\n', ""))
    said = promptlab("run", "triage")
    assert said.code == 0, said.err
    assert re.search(r"^exact: 2 of 8 answers have no score: .*expected.*\.$", said.out, re.MULTILINE), said.out
    assert "latency: " not in said.out


def test_attaching_to_a_run_that_is_saved_says_so(promptlab: Command) -> None:
    assert promptlab("run", "triage").code == 0
    said = promptlab("attach", "last")
    assert (said.code, " has ended: saved. `promptlab show " in said.out) == (0, True), said.err
    assert promptlab("attach", "last", "--json").data["attached"]["state"] == "saved"
    said = promptlab("attach", "last", "--stop")
    assert (said.code, " is not running. `promptlab show " in said.err) == (2, True)


def test_more_than_one_cell_in_twenty_failing_is_exit_3(promptlab: Command, server: LoopbackServer) -> None:
    server.rule = lambda asked: status(400, "no") if "logo" in asked.text else None
    said = promptlab("run", "triage")
    assert said.code == 3
    server.rule = None
    assert promptlab("run", "triage").code == 0


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["run"], "Say which prompt to run"),
        (["run", "triage", "--set", "temperature"], "KEY=VALUE"),
        (["rnu"], "There is no command and no folder “rnu”. Did you mean `run`?"),
        (["show", "20200101"], "There is no run"),
        (["compare", "last", "last"], "There is no run yet"),
        (["diff", "triage@v1", "triage@v7"], "There is no triage@v7"),
        (["run", "\x1b[31mred\u202e"], "There is no prompt “␛[31mred<U+202E>”."),
        (["run", "triage", "--max-cost", "nan"], "nan is not a number above 0."),
        (["run", "triage", "--max-minutes", "inf"], "inf is not a number above 0."),
        (["run", "triage", "--retry-errors", "last"], "as they were: leave out SUBJECT and the options"),
        (["run", "--retry-errors", "last", "-m", "api"], "as they were: leave out SUBJECT and the options"),
        (["attach", "last", "--stop", "--most", "3"], "are different words to a run: give one of them."),
    ],
)
def test_usage_is_exit_2_and_a_sentence(promptlab: Command, args: list[str], sentence: str) -> None:
    said = promptlab(*args)
    assert said.code == 2
    assert sentence in said.err
    assert "Traceback" not in said.err


def test_check_says_everything_that_is_wrong(promptlab: Command, folder: Path) -> None:
    assert promptlab("check").code == 0
    (folder / "prompts" / "broken.toml").write_text('[[messages]]\nrole = "usr"\ncontent = "{{ x"\n')
    (folder / "evalsets" / "tickets.toml").write_text(
        places.evalset_text().replace('id = "contains"', 'id = "contain"')
    )
    said = promptlab("check")
    assert said.code == 2
    assert "prompts/broken.toml:2" in said.out
    assert "contains" in said.out
    assert len(promptlab("check", "--json").data["problems"]) >= 3


def test_hostile_text_never_reaches_the_terminal_as_codes(promptlab: Command, server: LoopbackServer) -> None:
    server.reply = lambda text: "\x1b[31mred\x1b]0;title\x07 \u202egnp.exe [/] [INST]"
    promptlab("run", "triage")
    for args in (["show", "last", "--example", "t1"], ["runs"], ["show", "last"]):
        said = promptlab(*args)
        assert not set(said.out) & {"\x1b", "\x07", "\u202e"}, args
    assert "␛[31mred" in promptlab("show", "last", "--example", "t1").out


def test_every_command_has_help_and_completion(promptlab: Command) -> None:
    for name in COMMANDS:
        said = promptlab(name, "--help")
        assert said.code == 0
        assert "Usage:" in said.out
    for shell in ("bash", "zsh", "fish"):
        assert "_PROMPTLAB_COMPLETE" in promptlab("completion", shell).out


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("promptlab run tri", ["triage"]),
        ("promptlab run triage@v", ["triage@v1", "triage@v2"]),
        ("promptlab run triage -m ", ["api", "nano"]),
        ("promptlab run triage -e ti", ["tickets"]),
        ("promptlab show la", ["last"]),
        ("promptlab run --retry-errors la", ["last"]),
        ("promptlab run triage --baseline triage@v", ["triage@v1", "triage@v2"]),
        ("promptlab trust na", ["nano"]),
        ("promptlab com", ["compare", "commit", "completion"]),
    ],
)
def test_the_shell_offers_names_of_the_workspace(
    folder: Path, words: str, offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("_PROMPTLAB_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    with pytest.raises(SystemExit):
        cli(prog_name="promptlab")
    assert [line.partition(",")[2] for line in capsys.readouterr().out.splitlines()] == offered


def test_the_screen_needs_a_terminal(promptlab: Command) -> None:
    said = promptlab()
    assert said.code == 2
    assert "needs a terminal" in said.err


def test_ctrl_c_keeps_what_was_answered(folder: Path, server: LoopbackServer) -> None:
    server.rule = lambda asked: hang(30) if "logo" in asked.text else None
    command = [sys.executable, "-m", "promptlab", "run", "triage", "--json"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)
    deadline = time.monotonic() + 20
    while len(server.asked) < 8 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 4, err
    assert b"the same command goes on from there" in err
    assert b"Traceback" not in err
    server.rule = None
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, env=os.environ)
    assert "7 answered before" in done.stderr
    assert json.loads(done.stdout)["run"]["columns"][0]["cells"] == 8


def test_start_up_imports_nothing_heavy() -> None:
    code = (
        "import sys; from promptlab.cli.main import run; run(['--version']); run(['--help'])\n"
        "heavy = {'textual', 'aiohttp', 'numpy', 'scipy', 'llama_cpp', 'git', 'jinja2', 'jsonschema', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_first_picture_of_the_screen_waits_for_nothing_of_the_lab() -> None:
    code = (
        "import sys, promptlab.cli.start, promptlab.tui.app\n"
        "late = {'promptlab.lab.lab', 'promptlab.scoring', 'promptlab.history.git', 'jinja2', 'numpy', 'aiohttp'}\n"
        "print(sorted(late & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_run_imports_neither_textual_nor_the_engine(folder: Path) -> None:
    code = (
        "import sys; from promptlab.cli.main import run; assert run(['run', 'triage', '--no-commit']) == 0\n"
        "print(sorted({'textual', 'llama_cpp', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
