from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from loopback import LoopbackServer

from promptlab.errors import UsageFault
from promptlab.models.cluster import check_executor

HAS_RAY = importlib.util.find_spec("ray") is not None


@pytest.mark.skipif(not HAS_RAY, reason="needs the extra `ray`")
def test_a_thousand_cells_on_two_nodes_one_of_which_is_killed(server: LoopbackServer) -> None:
    server.latency = 0.05
    program = Path(__file__).parent / "on_cluster.py"
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(program), server.base_url, "1000"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert found["nodes"] == 2
    assert found["texts"] == {f"k{at}": f"text {at}" for at in range(1000)}, "as the local executor answers"
    assert 1000 <= len(server.asked) <= 1000 + 2 * 32, "only what was under way on the lost node is asked again"


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
