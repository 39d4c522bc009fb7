"""From a model's entry in promptlab.toml to the model, and to what is known of it without asking it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

from msgspec import structs

from promptlab.errors import ModelFault
from promptlab.models.addresses import address_of, endpoint_identity, key_problem, needs_trust
from promptlab.models.gguf.files import check_file, model_identity
from promptlab.models.gguf.header import Header, read_header
from promptlab.models.gguf.machine import DEFAULT_CONTEXT, default_threads
from promptlab.models.measures import known_speeds, speed_of
from promptlab.models.pricing import price_label
from promptlab.models.speed import Speed
from promptlab.models.trust import is_trusted, trust, trust_problem
from promptlab.models.values import Model, ModelDetails, ModelInfo
from promptlab.workspace.settings_values import ModelEntry
from promptlab.workspace.toml import did_you_mean, shown

__all__ = [
    "context_of",
    "details",
    "header",
    "info",
    "is_trusted",
    "needs_trust",
    "open_model",
    "resolve_gguf",
    "trust",
]

DIGEST_LIMIT = 64 * 1024 * 1024
"""Bytes of a GGUF file up to which ``info`` reads it for its identity: a table must not wait for a large one."""

_DEMO = "demo:"
_DEMO_MODELS = Path(__file__).parent.parent / "demo" / "models"


def open_model(entry: ModelEntry, root: Path, *, trusted: bool = False) -> Model:
    """The model of an entry. No process is started and nothing is sent before its first ``generate``.

    Args:
        entry: The entry.
        root: The workspace's folder.
        trusted: The person allowed the entry's address to receive its key; see :func:`needs_trust`.

    Raises:
        ModelFault: When the entry names no model, an unknown demo model or an impossible address.
    """
    if entry.gguf is not None:
        from promptlab.models.gguf.process import GgufModel

        try:
            path = resolve_gguf(entry.gguf, root)
        except ModelFault as fault:
            raise ModelFault(f"{entry.name}: {fault}") from None
        return GgufModel(
            path,
            entry.name,
            entry.context,
            entry.threads,
            batch=entry.batch,
            reproducible=entry.reproducible,
        )
    from promptlab.models.endpoint import Endpoint

    return Endpoint(entry, trusted=trusted)


def resolve_gguf(value: str, root: Path) -> Path:
    """The file that ``gguf = "…"`` names: ``demo:NAME``, or a path below the workspace or an absolute one.

    Raises:
        ModelFault: When there is no demo model of that name.
    """
    if not value.startswith(_DEMO):
        return root / value
    name = value.removeprefix(_DEMO)
    known = sorted(path.stem for path in _DEMO_MODELS.glob("*.gguf"))
    if name in known:
        return _DEMO_MODELS / f"{name}.gguf"
    advice = did_you_mean(name, known) or f"There are {', '.join(_DEMO + one for one in known)}."
    raise ModelFault(f"there is no demo model “{shown(name)}”. {advice}")


def info(entry: ModelEntry, root: Path) -> ModelInfo:
    """What is known of a model without starting or asking it; ``problem`` says why it cannot be used. Never raises.

    ``identity`` is "" for a GGUF file above ``DIGEST_LIMIT``, and for a model that cannot be opened.
    """
    return _gguf_info(entry, entry.gguf, root) if entry.gguf is not None else _endpoint_info(entry, root)


def details(entry: ModelEntry, root: Path) -> ModelDetails:
    """All that is known of a model without starting or asking it. Never raises.

    Reads a GGUF file as a whole, for its digest.
    """
    found = info(entry, root)
    if entry.gguf is None:
        return ModelDetails(
            found,
            context=entry.context,
            key=entry.api_key_env or "",
            timeout=entry.timeout,
            concurrency=entry.concurrency,
        )
    try:
        path = resolve_gguf(entry.gguf, root)
        said = read_header(path)
        identity = model_identity(path, entry.reproducible)
    except ModelFault as fault:
        return ModelDetails(structs.replace(found, problem=found.problem or f"{entry.name}: {fault}"))
    found = structs.replace(found, identity=identity, license=entry.license or said.license or None)
    return ModelDetails(found, said, context_of(entry, said), entry.threads or default_threads(found.size or 0))


def header(entry: ModelEntry, root: Path) -> Header | None:
    """What a model's file says of itself; None for an endpoint and for a file that cannot be read."""
    if entry.gguf is None:
        return None
    try:
        return read_header(resolve_gguf(entry.gguf, root))
    except ModelFault:
        return None


def context_of(entry: ModelEntry, said: Header | None) -> int | None:
    """Tokens of prompt and answer together that a run will use; None where an endpoint decides."""
    if said is None:
        return entry.context
    return entry.context or min(said.context or DEFAULT_CONTEXT, DEFAULT_CONTEXT)


def _gguf_info(entry: ModelEntry, gguf: str, root: Path) -> ModelInfo:
    identity, size, problem, speed = "", None, "", None
    try:
        path = resolve_gguf(gguf, root)
        check_file(path)
        size = path.stat().st_size
        identity = model_identity(path, entry.reproducible) if size <= DIGEST_LIMIT else ""
        speed = speed_of(path, known_speeds())
    except ModelFault as fault:
        problem = f"{entry.name}: {fault}"
    except OSError as error:  # it went away in between
        problem = f"{entry.name}: {gguf} cannot be read ({error.strerror}). Check the path and the disk."
    if not problem and importlib.util.find_spec("llama_cpp") is None:
        problem = (
            f"{entry.name}: the local engine is not installed. Install it: pip install 'promptlab-tui[local]' "
            "(it compiles for some minutes and needs a C++ compiler)."
        )
    return _info(entry, "gguf", gguf, "this machine", identity, size, problem, speed)


def _endpoint_info(entry: ModelEntry, root: Path) -> ModelInfo:
    try:
        address = address_of(entry)
    except ModelFault as fault:
        return _info(entry, "endpoint", entry.model or "", "", "", None, str(fault))
    problem = key_problem(entry)
    if needs_trust(entry) and not is_trusted(root, entry):
        problem = trust_problem(entry)
    goes = "this machine" if address.on_loopback else address.host
    target = f"{entry.model} at {address.shown}"
    return _info(entry, "endpoint", target, goes, endpoint_identity(entry), None, problem)


def _info(
    entry: ModelEntry,
    kind: Literal["gguf", "endpoint"],
    target: str,
    data_goes: str,
    identity: str,
    size: int | None,
    problem: str,
    speed: Speed | None = None,
) -> ModelInfo:
    return ModelInfo(
        name=entry.name,
        kind=kind,
        identity=identity,
        target=target,
        size=size,
        context=entry.context,
        license=entry.license,
        price=price_label(entry.price),
        data_goes=data_goes,
        problem=problem,
        speed=speed,
    )
