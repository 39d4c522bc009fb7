"""A model on the nodes of a Ray cluster: shards of requests go to actors, each with a model of its own.

Shards are runs of neighbouring requests, which share their prompt's beginning. The shard of an actor whose node dies
goes to another one. Needs the extra ``ray``, which is imported at the first request only. Every node needs promptlab,
the model's file under the same path, and the endpoint's key in its own environment: no key is sent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
from msgspec import structs

from promptlab.errors import ModelFault, UsageFault
from promptlab.models.values import Embedding, Model, Outcome, Request, Spend, Watch
from promptlab.workspace.settings_values import ModelEntry

SHARD = 32
"""Requests that go to an actor at once, at most."""

LOSSES = 10
"""Actors that a run may lose before it is given up."""


class Asker:
    """The actor: one model of an entry, on the node where it runs."""

    def __init__(self, entry: bytes, root: str, trusted: bool) -> None:
        from promptlab.models.registry import open_model

        self._model = open_model(msgspec.msgpack.decode(entry, type=ModelEntry), Path(root), trusted=trusted)

    async def ask(self, shard: bytes) -> bytes:
        """The outcomes of encoded requests, encoded; a fault of the whole model as the text of its sentence."""
        requests = msgspec.msgpack.decode(shard, type=list[Request])
        try:
            return msgspec.msgpack.encode([outcome async for outcome in self._model.generate(requests)])
        except ModelFault as fault:
            return msgspec.msgpack.encode(str(fault))


class Spread:
    """A model whose requests are answered on a cluster. The same identity, so the same cells and the same cache."""

    def __init__(self, model: Model, entry: ModelEntry, root: Path, trusted: bool, executor: str) -> None:
        """Nothing is started before the first ``generate``. ``executor``: see :func:`check_executor`."""
        self.name = model.name
        self.identity = model.identity
        self._model = model
        self.capabilities = structs.replace(model.capabilities, streaming=False)
        self._made_of = (msgspec.msgpack.encode(entry), str(root), trusted)
        self._executor = executor

    async def generate(self, requests: Sequence[Request], watch: Watch | None = None) -> AsyncIterator[Outcome]:
        """Yield exactly one outcome per request, shard by shard. ``watch`` hears nothing.

        Raises:
            ModelFault: There is no cluster, the model cannot be used there, or too many actors were lost.
        """
        if not requests:
            return
        ray = await asyncio.to_thread(_connected, self._executor)
        nodes = sum(1 for node in ray.nodes() if node["Alive"])
        work = _Work(ray, self._made_of, _shards(requests, nodes))
        count = len(work.shards)
        tasks = [asyncio.create_task(work.keep_asking()) for _ in range(min(nodes, count))]
        try:
            for _ in range(count):
                found = await work.answers.get()
                if isinstance(found, Exception):
                    raise found
                for outcome in found:
                    yield outcome
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            work.close()

    async def embed(self, texts: Sequence[str], spend: Spend | None = None) -> Sequence[Sequence[float]]:
        """The vectors of texts, by the model on this machine: they take little beside the answers.

        Raises:
            ModelFault: As the model's own.
        """
        if not isinstance(self._model, Embedding):
            raise ModelFault(f"{self.name} gives no embeddings. Choose an embedding model.")
        return await self._model.embed(texts, spend)

    async def close(self) -> None:
        """Actors end with each ``generate``: there is nothing to close."""


class _Work:
    """The shards that are left and the actors that were started for them."""

    def __init__(self, ray: ModuleType, made_of: tuple[bytes, str, bool], shards: deque[bytes]) -> None:
        self.shards = shards
        self.answers: asyncio.Queue[list[Outcome] | Exception] = asyncio.Queue()
        self._ray = ray
        self._made_of = made_of
        self._actors: list[Any] = []
        self._lost = 0
        self._given_back = asyncio.Event()

    async def keep_asking(self) -> None:
        """Ask one actor after the other for shards until none is left."""
        try:
            actor = self._start()
            while True:
                if not self.shards:  # another actor may still be lost, and its shard come back
                    self._given_back.clear()
                    await self._given_back.wait()
                    continue
                shard = self.shards.popleft()
                try:
                    data = await actor.ask.remote(shard)
                except self._ray.exceptions.RayActorError as error:
                    self._lost += 1
                    if self._lost > LOSSES:
                        raise ModelFault("Too many nodes of the cluster were lost. Look at `ray status`.") from error
                    self.shards.appendleft(shard)
                    self._given_back.set()
                    actor = self._start()
                    continue
                self.answers.put_nowait(_outcomes(data))
        except Exception as error:
            self.answers.put_nowait(error)

    def _start(self) -> Any:
        remote = self._ray.remote(Asker)
        actor = remote.options(num_cpus=1, scheduling_strategy="SPREAD", max_restarts=0).remote(*self._made_of)
        self._actors.append(actor)
        return actor

    def close(self) -> None:
        for actor in self._actors:
            self._ray.kill(actor)


def check_executor(executor: str) -> str:
    """An executor as it is given: ``local`` gives "", ``ray`` and ``ray://HOST:PORT`` stay.

    Raises:
        UsageFault: It is another word, or the extra is not installed.
    """
    if executor in ("", "local"):
        return ""
    if executor != "ray" and not executor.startswith("ray://"):
        raise UsageFault(f"--executor {executor}: expected local, ray or ray://HOST:PORT.")
    if find_spec("ray") is None:
        raise UsageFault("--executor ray needs the extra `ray`. Install it: pip install 'promptlab-tui[ray]'.")
    return executor


def _connected(executor: str) -> ModuleType:
    """Ray, connected. ``ray`` is the cluster of RAY_ADDRESS, or the one that runs on this machine."""
    ray = import_module("ray")
    # What a lost node has to say goes to stdout, between the lines of --json, and there is no option against it.
    vars(import_module("ray._private.worker"))["_worker_logs_enabled"] = False
    if not ray.is_initialized():
        address = "auto" if executor == "ray" else executor
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", namespace="promptlab")
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ModelFault(
                f"There is no Ray cluster to connect to ({type(error).__name__}). Start one with `ray start --head`, "
                "or name its address: --executor ray://HOST:PORT."
            ) from None
    return ray


def _shards(requests: Sequence[Request], nodes: int) -> deque[bytes]:
    size = max(1, min(SHARD, -(-len(requests) // (4 * max(1, nodes)))))
    return deque(msgspec.msgpack.encode(list(requests[at : at + size])) for at in range(0, len(requests), size))


def _outcomes(data: bytes) -> list[Outcome]:
    found = msgspec.msgpack.decode(data, type=list[Outcome] | str)
    if isinstance(found, str):
        raise ModelFault(found)
    return found
