"""A program for test_cluster.py: a thousand requests on a Ray cluster of two nodes, one of which is killed halfway.

Usage: on_cluster.py BASE_URL COUNT. Prints what came back as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from promptlab.models.cluster import Spread
from promptlab.models.registry import open_model
from promptlab.models.values import Request
from promptlab.workspace.values import Message, ModelEntry, Params


async def main(base_url: str, count: int) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    second = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    os.environ["RAY_ADDRESS"] = cluster.address
    entry = ModelEntry(name="m", model="m", base_url=base_url)
    model = Spread(open_model(entry, Path()), entry, Path(), False, "ray")
    requests = [Request(f"k{at}", (Message("user", f"text {at}"),), Params(), at) for at in range(count)]
    found: dict[str, str] = {}
    async for outcome in model.generate(requests):
        assert outcome.key not in found
        found[outcome.key] = outcome.text if outcome.fault is None else outcome.fault.message
        if len(found) == count // 4:
            nodes = sum(node["Alive"] for node in ray.nodes())
            cluster.remove_node(second, allow_graceful=False)
    print(json.dumps({"nodes": nodes, "texts": found}), flush=True)
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
