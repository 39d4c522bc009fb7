from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from cli.test_spending import workspace
from serving import Serving

from promptlab.cli.main import run
from promptlab.errors import UsageFault
from promptlab.lab import Lab, RunTable
from promptlab.models.cluster import check_executor

KEY = "sk-very-secret-0123456789abcdef"
HAS_RAY = importlib.util.find_spec("ray") is not None


@pytest.mark.skipif(not HAS_RAY, reason="needs the extra `ray`")
def test_a_thousand_cells_on_two_nodes_one_of_which_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the command, with its journal, commit and key; the same outcomes as the local executor's."""
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("PROMPTLAB_CACHE", str(tmp_path / "cache"))
    program = Path(__file__).parent / "on_cluster.py"
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    with Serving(latency=0.05, unwanted=("[a3]",)) as server:
        folder = workspace(tmp_path / "w", server, 1000, 'api_key_env = "MY_KEY"\n')
        done = subprocess.run(
            [sys.executable, str(program), str(folder), f"{server.base_url}/stats", "1000"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        stats = server.stats()
        assert done.returncode == 0, done.stderr[-2000:]
        found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith('{"nodes"')))
        assert (found["nodes"], found["code"]) == (2, 0), found["err"]
        assert found["killed_at"] < 1000
        assert run(["-C", str(folder), "run", "say", "--yes", "--no-cache", "--json"]) == 0
    assert stats["requests"] <= 1000 + 2 * 32, "only what was under way on the lost node is asked again"
    there, here = json.loads(found["out"])["run"], json.loads(capsys.readouterr().out)["run"]
    assert there["columns"][0]["cells"] == 1000
    lab = Lab.open(folder)
    outcomes = [_outcomes(lab.open_run(name)) for name in (there["run"], here["run"])]
    assert outcomes[0] == outcomes[1]
    assert Counter(kind for _, kind in outcomes[0].values()) == {"": 999, "rejected": 1}
    session = [path for path in Path(found["session"]).rglob("*") if path.is_file() and not path.is_symlink()]
    assert session
    assert not [path for path in session if KEY.encode() in path.read_bytes()]
    shutil.rmtree(found["session"], ignore_errors=True)


def _outcomes(table: RunTable) -> dict[str, tuple[str, str]]:
    found = {example.id: table.outcome("a", example.id, 0) for example in table.examples}
    return {id: (one.text, one.fault.kind if one.fault else "") for id, one in found.items() if one is not None}


@pytest.mark.parametrize("executor", ["", "local"])
def test_here_is_where_models_answer_unless_told(executor: str) -> None:
    assert check_executor(executor) == ""


def test_another_executor_is_refused() -> None:
    with pytest.raises(UsageFault, match=r"^--executor dask: expected local, ray or ray://HOST:PORT\.$"):
        check_executor("dask")


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlab.models.cluster.find_spec", lambda name: None)
    with pytest.raises(UsageFault, match=r"^--executor ray needs the extra `ray`\. Install it: pip install"):
        check_executor("ray")
