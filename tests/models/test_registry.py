from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from loopback import LoopbackServer

from promptlab.errors import ModelFault
from promptlab.models import registry
from promptlab.models.endpoint import Endpoint
from promptlab.models.gguf.process import GgufModel
from promptlab.models.registry import info, open_model, resolve_gguf
from promptlab.models.values import Request
from promptlab.workspace.settings_values import ModelEntry, Price
from promptlab.workspace.values import Message, Params

REMOTE = ModelEntry(name="gpt", model="m", base_url="https://example.invalid/v1", api_key_env="MY_KEY")


@pytest.mark.parametrize("name", ["mini", "nano"])
def test_the_demo_models_are_in_the_package(name: str, tmp_path: Path) -> None:
    path = resolve_gguf(f"demo:{name}", tmp_path)
    assert path.read_bytes()[:4] == b"GGUF"
    model = open_model(ModelEntry(name=name, gguf=f"demo:{name}"), tmp_path)
    assert isinstance(model, GgufModel)
    assert model.identity.startswith("gguf:")
    assert model.pid is None


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("demo:mimi", "mini: there is no demo model “mimi”. Did you mean `mini`?"),
        ("demo:x", "mini: there is no demo model “x”. There are demo:mini, demo:nano."),
        ("demo:../models/mini", None),
    ],
)
def test_an_unknown_demo_model_names_the_nearest(value: str, sentence: str | None, tmp_path: Path) -> None:
    entry = ModelEntry(name="mini", gguf=value)
    with pytest.raises(ModelFault) as caught:
        open_model(entry, tmp_path)
    assert sentence is None or str(caught.value) == sentence
    assert info(entry, tmp_path).problem == str(caught.value)


def test_paths_are_below_the_workspace_or_absolute(tmp_path: Path) -> None:
    assert resolve_gguf("models/a.gguf", tmp_path) == tmp_path / "models" / "a.gguf"
    assert resolve_gguf("/models/a.gguf", tmp_path) == Path("/models/a.gguf")


def test_a_reproducible_model_is_another_one(tmp_path: Path) -> None:
    usual, same = (ModelEntry(name="mini", gguf="demo:mini", reproducible=value) for value in (False, True))
    identity = open_model(usual, tmp_path).identity
    assert open_model(same, tmp_path).identity == info(same, tmp_path).identity == identity + "+reproducible"


def test_info_of_a_gguf_file(tmp_path: Path) -> None:
    entry = ModelEntry(name="mini", gguf="demo:mini", license="Apache-2.0", context=512)
    found = info(entry, tmp_path)
    assert found.kind == "gguf"
    assert found.identity == open_model(entry, tmp_path).identity
    assert found.size == resolve_gguf("demo:mini", tmp_path).stat().st_size
    assert (found.target, found.context, found.license, found.price) == ("demo:mini", 512, "Apache-2.0", "")
    assert (found.data_goes, found.problem) == ("this machine", "")


def test_info_does_not_read_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "DIGEST_LIMIT", 8)
    (tmp_path / "large.gguf").write_bytes(b"GGUF and more")
    found = info(ModelEntry(name="large", gguf="large.gguf"), tmp_path)
    assert (found.identity, found.size, found.problem) == ("", 13, "")


def test_info_of_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "corrupt.gguf").write_bytes(b"not a model")
    missing = info(ModelEntry(name="big", gguf="models/big.gguf"), tmp_path)
    assert missing.size is None
    assert missing.problem == (
        f"big: {tmp_path}/models/big.gguf: there is no such file. "
        "Correct the path of the model, or put the file there."
    )
    corrupt = info(ModelEntry(name="bad", gguf="corrupt.gguf"), tmp_path)
    assert corrupt.problem.startswith(f"bad: {tmp_path}/corrupt.gguf: this is not a GGUF file")


def test_info_without_the_local_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = info(ModelEntry(name="mini", gguf="demo:mini"), tmp_path)
    assert found.problem == (
        "mini: the local engine is not installed. Install it: pip install 'promptlab-tui[local]' "
        "(it compiles for some minutes and needs a C++ compiler)."
    )


def test_info_of_an_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = ModelEntry(name="gpt", model="gpt-4.1-mini", api_key_env="MY_KEY", price=Price(0.4, 1.6), context=128_000)
    found = info(entry, tmp_path)
    assert found.kind == "endpoint"
    assert found.identity == open_model(entry, tmp_path).identity
    assert found.target == "gpt-4.1-mini at https://api.openai.com/v1"
    assert (found.size, found.context, found.price) == (None, 128_000, "0.4 in, 1.6 out USD per 1M tokens")
    assert found.data_goes == "api.openai.com"
    assert found.problem.startswith("gpt needs the environment variable MY_KEY, which is not set.")
    monkeypatch.setenv("MY_KEY", "sk-1")
    assert info(entry, tmp_path).problem == ""


def test_info_of_an_endpoint_on_this_machine_or_nowhere(tmp_path: Path) -> None:
    local = info(ModelEntry(name="llama", model="llama3", base_url="http://localhost:11434/v1"), tmp_path)
    assert (local.data_goes, local.problem) == ("this machine", "")
    nowhere = info(ModelEntry(name="gpt", model="m", base_url="nowhere"), tmp_path)
    assert nowhere.problem.startswith("gpt: its base_url is not an address")
    with pytest.raises(ModelFault, match="its base_url is not an address"):
        open_model(ModelEntry(name="gpt", model="m", base_url="nowhere"), tmp_path)


def test_info_says_when_trust_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-1")
    assert info(REMOTE, tmp_path).problem == (
        "gpt would send the key in MY_KEY to https://example.invalid/v1, which this workspace chose. "
        "Run `promptlab trust` if you know that address."
    )
    registry.trust(tmp_path, REMOTE)
    assert info(REMOTE, tmp_path).problem == ""


async def test_an_untrusted_endpoint_opens_but_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-1")
    request = Request(key="k", messages=(Message("user", "hello"),), params=Params())
    model = open_model(REMOTE, tmp_path)
    assert isinstance(model, Endpoint)
    with pytest.raises(ModelFault, match="which this workspace chose"):
        await anext(aiter(model.generate([request])))
    trusted = open_model(REMOTE, tmp_path, trusted=True)
    outcome = await anext(aiter(trusted.generate([request])))
    assert outcome.fault is not None
    assert outcome.fault.kind == "unavailable"
    await trusted.close()


async def test_an_opened_endpoint_answers(tmp_path: Path, server: LoopbackServer) -> None:
    model = open_model(ModelEntry(name="local", model="m", base_url=server.base_url), tmp_path)
    request = Request(key="k", messages=(Message("user", "hello"),), params=Params())
    assert [one.text async for one in model.generate([request])] == ["hello"]
    await model.close()
