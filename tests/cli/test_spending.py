"""Runs over an endpoint that costs money, has faults, and is killed in between; the server counts for itself."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import places
import pytest
from serving import Serving

from promptlab.cli.main import run as promptlab
from promptlab.errors import UsageFault
from promptlab.lab import Lab
from promptlab.lab.detaching import go_on, put_down
from promptlab.lab.values import RunRequest

PROMPT = """[params]
max_tokens = 16
[[messages]]
role = "user"
content = "Say it: {{ text }} [{{ answer }}]"
"""
EVALSET = """examples = "words.jsonl"
[[metrics]]
id = "exact"
"""
FAULTS = {"500": 0.05, "drop": 0.05, "malformed": 0.01, "hang": 0.01}


def workspace(folder: Path, server: Serving, cells: int, extra: str = "", defaults: str = "") -> Path:
    """A repository with one prompt, one priced endpoint and so many examples of different lengths."""
    model = f'[models.m]\nmodel = "m"\nbase_url = "{server.base_url}"\nprice = {{ input = 1000, output = 1000 }}\n'
    examples = (
        {"id": f"e{at}", "vars": {"text": "word " * (at * 7 % 40), "answer": f"a{at}"}, "expected": f"a{at}"}
        for at in range(cells)
    )
    files = {
        "promptlab.toml": f'{model}{extra}[defaults]\nmodels = ["m"]\n{defaults}',
        "prompts/say.toml": PROMPT,
        "evalsets/words.toml": EVALSET,
        "evalsets/words.jsonl": "".join(json.dumps(example) + "\n" for example in examples),
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    places.git(folder, "init", "-q")
    places.git(folder, "add", ".")
    places.git(folder, "commit", "-qm", "begin")
    return folder


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    """The command in a process of its own, to be killed or left alone."""
    return subprocess.Popen(
        [sys.executable, "-m", "promptlab", "run", "say", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process: its exit code, what it gave and what it said."""

    def command(folder: Path, *options: str) -> tuple[int, str, str]:
        subject = () if "--retry-errors" in options else ("say",)
        code = promptlab(["-C", str(folder), "run", *subject, *options])
        return code, *capsys.readouterr()

    return command


def test_a_limit_of_cost_is_of_one_currency(tmp_path: Path, run: Run) -> None:
    with Serving() as server:
        other = f'[models.e]\nmodel = "e"\nbase_url = "{server.base_url}"\n'
        other += 'price = { input = 1000, output = 1000, currency = "EUR" }\n'
        folder = workspace(tmp_path / "w", server, 4, other)
        both = ("-m", "m", "-m", "e", "--yes")
        code, _, said = run(folder, *both, "--max-cost", "5")
        assert code == 2
        assert "A limit of cost (5) cannot be kept: the models of this run are priced in EUR and USD." in said
        assert "Limit tokens or minutes instead" in said
        assert server.stats()["requests"] == 0
        assert run(folder, *both, "--max-tokens", "100000")[0] == 0
        assert run(folder, "-m", "e", "--yes", "--max-cost", "5")[0] == 0


def test_faults_of_every_kind_cost_their_retries_and_nothing_else(tmp_path: Path, run: Run) -> None:
    with Serving(faults=FAULTS, burst=150, seed=3) as server:
        folder = workspace(tmp_path / "w", server, 400, "timeout = 0.5\n")
        code, out, err = run(folder, "--yes", "--json")
        stats = server.stats()
    report = json.loads(out)["run"]
    assert (code, report["columns"][0]["failed"]) == (0, 0), err
    assert report["columns"][0]["metrics"]["exact"]["mean"] == 1.0, "every answer is that of its own cell"
    assert all(stats["faults"][kind] for kind in (*FAULTS, "429"))
    assert stats["requests"] == 400 + sum(stats["faults"].values())
    assert {len(times) for times in stats["answers"].values()} == {1}


def test_killed_twice_among_faults_no_answered_cell_is_asked_again(tmp_path: Path, run: Run) -> None:
    with Serving(latency=0.02, faults=FAULTS, burst=200, seed=6) as server:
        folder = workspace(tmp_path / "w", server, 600, "timeout = 0.5\nconcurrency = 40\n")
        killed: list[float] = []
        for share in (150, 350):
            process = start(folder, "--yes")
            until(lambda: len(server.stats()["answers"]) >= share)  # noqa: B023 -- it is called at once
            process.send_signal(signal.SIGKILL)
            killed.append(time.time())
            process.communicate()
        code, out, err = run(folder, "--yes", "--json")
        stats = server.stats()
    report = json.loads(out)["run"]
    assert (code, report["columns"][0]["failed"]) == (0, 0), err
    assert report["columns"][0]["metrics"]["exact"]["mean"] == 1.0
    assert len(stats["answers"]) == 600
    again = {text: times for text, times in stats["answers"].items() if len(times) > 1}
    # What is in the journal is never asked again; an answer may take a tenth of a second to get there.
    assert all(any(0 <= kill - time + 0.05 <= 0.15 for kill in killed for time in times) for times in again.values())
    assert stats["requests"] <= 600 + sum(stats["faults"].values()) + len(again) + 2 * 40, "those in flight at a kill"


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)


def test_a_limit_of_cost_stops_cleanly_and_the_same_command_goes_on(tmp_path: Path, run: Run) -> None:
    with Serving(latency=0.02) as server:
        folder = workspace(tmp_path / "w", server, 500)
        code, out, err = run(folder, "--max-cost", "2", "--json")
        first = server.stats()
        report = json.loads(out)["run"]
        assert (code, report["state"]) == (4, "partial"), err
        assert "Stopped by the limit of cost, 2: " in err
        spent = sum(first["tokens"]) * 1000 / 1e6
        a_cell = spent / len(first["answers"])
        assert 1 < spent <= 2 + first["most_in_flight"] * a_cell
        assert report["columns"][0]["cells"] == len(first["answers"]) == first["requests"]
        code, _, err = run(folder, "--yes")
        second = server.stats()
    assert code == 0, err
    assert second["requests"] == 500
    tags = places.git(folder, "tag", "-n9", "--list", "run/*")
    assert len(places.git(folder, "tag", "--list", "run/*").split()) == 2
    assert "partial" in tags.lower()


@pytest.mark.parametrize(
    ("option", "words"), [(("--max-tokens", "300"), "limit of tokens"), (("--max-minutes", "0.02"), "limit of time")]
)
def test_the_other_limits(tmp_path: Path, run: Run, option: tuple[str, str], words: str) -> None:
    with Serving(latency=0.2) as server:
        folder = workspace(tmp_path / "w", server, 800)
        code, _, err = run(folder, *option, "--no-commit")
        assert (code, words in err) == (4, True), err
        assert 0 < server.stats()["requests"] < 800


def test_the_estimate_is_close_and_its_answers_are_not_asked_for_again(tmp_path: Path, run: Run) -> None:
    with Serving() as server:
        folder = workspace(tmp_path / "w", server, 300, defaults="ask_above = 0.5\n")
        code, out, err = run(folder, "--estimate", "--json")
        assert code == 0, err
        found = json.loads(out)["estimate"]
        before = server.stats()
        assert (before["requests"], found["cells"]) == (32, 268)
        code, _, err = run(folder)  # above what may be spent unasked, and nobody is there to be asked
        assert code == 2
        assert "above ask_above = 0.5. Say --yes to go on, or set a limit such as --max-cost." in err
        assert server.stats()["requests"] == 32
        code, _, err = run(folder, "--yes")
        assert code == 0, err
        after = server.stats()
    assert after["requests"] == 300
    real = [after["tokens"][at] - before["tokens"][at] for at in (0, 1)]
    assert found["prompt_tokens"] == pytest.approx(real[0], rel=0.1)
    assert found["completion_tokens"] == pytest.approx(real[1], rel=0.2)
    assert found["cost"] == pytest.approx(sum(real) * 1000 / 1e6, rel=0.1)


def test_retry_errors_of_a_run(tmp_path: Path, run: Run) -> None:
    with Serving(faults={"400": 0.03}, seed=4) as server:
        folder = workspace(tmp_path / "w", server, 120)
        _, out, _ = run(folder, "--yes", "--json")
        first = json.loads(out)["run"]
        failed = first["columns"][0]["failed"]
        assert 0 < failed <= 6, "few enough to be saved"
        before = server.stats()
        (folder / "prompts/say.toml").write_text(PROMPT.replace("Say", "Shout"))  # what was run counts, not what is
        settings = (folder / "promptlab.toml").read_text()
        (folder / "promptlab.toml").write_text(settings.replace('model = "m"', 'model = "n"'))
        code, _, err = run(folder, "--retry-errors", first["run"])
        assert (code, "m is no longer the one that the run" in err) == (2, True), err
        (folder / "promptlab.toml").write_text(settings)
        code, out, err = run(folder, "--retry-errors", first["run"], "--json")
        after = server.stats()
        second = json.loads(out)["run"]
    assert code == 0, err
    assert f"{120 - failed} answered before" in err
    assert second["columns"][0]["failed"] < failed
    new = {text for text, count in after["asked"].items() if count > before["asked"].get(text, 0)}
    assert len(new) == failed
    assert not any(text in before["answers"] for text in new)
    assert second["run"] != first["run"], "the first one is saved and stays as it is"


def test_a_run_is_watched_held_back_and_stopped_from_another_process(tmp_path: Path, run: Run) -> None:
    with Serving(latency=0.1) as server:
        folder = workspace(tmp_path / "w", server, 2000, "concurrency = 5\n")
        process = start(folder, "--yes", "--no-commit")
        until(lambda: bool(server.stats()["answers"]))
        attach = [sys.executable, "-m", "promptlab", "attach", "last"]
        subprocess.run([*attach, "--most", "0"], cwd=folder, check=True, capture_output=True)
        time.sleep(0.7)
        before = server.stats()["requests"]
        time.sleep(0.5)
        assert server.stats()["requests"] == before < 2000, "it is paused"
        with subprocess.Popen(
            attach, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as watcher:
            subprocess.run([*attach, "--stop"], cwd=folder, check=True, capture_output=True)
            _, err = process.communicate(timeout=30)
            out, seen = watcher.communicate(timeout=30)
    assert process.returncode == 4, err
    assert f"Stopped after {before} of 2000 cells." in err
    assert "partial. `promptlab show" in out
    assert f"{before}/2000" in seen or not seen


def test_a_detached_run_goes_on_by_itself_and_is_saved(tmp_path: Path, run: Run) -> None:
    with Serving(latency=0.1) as server:
        folder = workspace(tmp_path / "w", server, 300)
        code, out, err = run(folder, "--yes", "--detach", "--max-tokens", "100000")
        assert code == 0, err
        name = out.strip()
        assert f"`promptlab attach {name}` watches it" in err
        attach = [sys.executable, "-m", "promptlab", "attach", name]
        done = subprocess.run(attach, cwd=folder, check=True, capture_output=True, text=True, timeout=60)
        stats = server.stats()
    assert f"The run {name} has ended: " in done.stdout
    assert (stats["requests"], len(stats["answers"])) == (300, 300)
    until(lambda: bool(places.git(folder, "tag", "--list", "run/*")))
    tags = places.git(folder, "tag", "--list", "run/*").split()
    assert [tag.rpartition("/")[2] for tag in tags] == [name]


def test_a_detached_run_that_cannot_go_on_says_why(tmp_path: Path, run: Run) -> None:
    with Serving() as server:
        folder = workspace(tmp_path / "w", server, 5)
        code, _, err = run(folder, "--yes", "--detach", "--json")
        assert (code, "--detach does not wait for the end" in err) == (2, True), err
        lab = Lab.open(folder)
        name = put_down(lab, lab.plan(RunRequest(("say",))))
        with pytest.raises(UsageFault, match=f"The run {name} did not go on: .*--no-such"):
            go_on(lab, name, ["--no-such"])
        assert server.stats()["requests"] == 0
        assert lab.find_run(name).state == "partial"
