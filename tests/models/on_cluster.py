"""A program for test_cluster.py: a run on a Ray cluster of two nodes, one of which is killed when a quarter is done.

Usage: on_cluster.py FOLDER STATS_URL CELLS. Runs the command in FOLDER; prints what became of it as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request

import ray
from ray.cluster_utils import Cluster


def main(folder: str, stats: str, cells: int) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    second = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    nodes = sum(node["Alive"] for node in ray.nodes()) if ray.is_initialized() else len(cluster.list_all_nodes())
    command = [sys.executable, "-m", "promptlab", "run", "say", "--executor", "ray", "--yes", "--json"]
    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while _answered(stats) < cells // 4 and process.poll() is None:
            time.sleep(0.05)
        answered = _answered(stats)
        cluster.remove_node(second, allow_graceful=False)
        out, err = process.communicate()
    session = cluster.head_node.get_session_dir_path()
    found = {"nodes": nodes, "killed_at": answered, "code": process.returncode, "out": out, "err": err}
    print(json.dumps({**found, "session": session}), flush=True)
    cluster.shutdown()


def _answered(stats: str) -> int:
    with urllib.request.urlopen(stats) as response:
        return len(json.loads(response.read())["answers"])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
