"""A llama-server with the packaged model: what promptlab asks of endpoints, asked of one that nobody scripted.

Set PROMPTLAB_TEST_LLAMA_SERVER to its binary, or have ``llama-server`` on the PATH.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from operator import mul
from pathlib import Path

import pytest
from gguf_support import NANO
from msgspec import structs

from promptlab.models.endpoint import Endpoint
from promptlab.models.values import Constraint, Outcome, Request
from promptlab.workspace.settings_values import ModelEntry
from promptlab.workspace.values import Message, Params

SERVER = os.environ.get("PROMPTLAB_TEST_LLAMA_SERVER") or shutil.which("llama-server")

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(SERVER is None, reason="no llama-server: set PROMPTLAB_TEST_LLAMA_SERVER to one"),
]
SYSTEM = Message("system", "You route support tickets. Answer with one word.")


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["-c", "4096", "-np", "4", "-t", "1", "--embeddings", "--pooling", "mean", "--no-webui"]
    command = [str(SERVER), "-m", str(NANO), "--host", "127.0.0.1", "--port", str(port), *options]
    path: Path = tmp_path_factory.mktemp("server") / "log"
    with path.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/health", process, path)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            with urllib.request.urlopen(url):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise AssertionError(log.read_text(errors="replace")[-2000:])


def request(text: str, number: int = 0, **params: object) -> Request:
    given = structs.replace(Params(max_tokens=16), **params)
    return Request(f"{text} {number}", (SYSTEM, Message("user", text)), given, 7 + number)


async def ask(base_url: str, *requests: Request, **fields: object) -> tuple[list[Outcome], tuple[str, ...]]:
    model = Endpoint(structs.replace(ModelEntry("real", model="nano", base_url=base_url), **fields))
    found = {one.key: one async for one in model.generate(requests)}
    await model.close()
    assert [one.fault for one in found.values()] == [None] * len(requests)
    return [found[one.key] for one in requests], model.traffic.notices


TICKETS = ["I was charged twice.", "Where is my parcel?", "The app crashes.", "Change my address, please."]


async def test_a_stream_has_the_same_answers_and_says_when_it_began(base_url: str) -> None:
    requests = [request(text) for text in TICKETS]
    whole, _ = await ask(base_url, *requests)
    pieces, notices = await ask(base_url, *requests, stream=True)
    assert [one.text for one in pieces] == [one.text for one in whole]
    assert notices == ()
    for one, other in zip(pieces, whole, strict=True):
        assert 0 < one.first <= one.latency
        assert one.usage.prompt == other.usage.prompt > 10
        assert 0 < one.usage.completion <= 16
        assert one.fingerprint == other.fingerprint != ""


async def test_a_schema_is_kept_to_and_log_probabilities_come(base_url: str) -> None:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"label": {"enum": ["billing", "shipping"]}},
        "required": ["label"],
        "additionalProperties": False,
    }
    held = structs.replace(request(TICKETS[0], max_tokens=64), constraint=Constraint(json_schema=schema))
    (one,), _ = await ask(base_url, held)
    assert json.loads(one.text)["label"] in ("billing", "shipping")
    (one,), _ = await ask(base_url, structs.replace(request(TICKETS[1]), logprobs=3))
    assert "".join(token.text for token in one.logprobs) == one.text
    assert all(token.logprob <= 0 and len(token.top) == 3 for token in one.logprobs)


async def test_choices_are_weighed_by_the_first_tokens_of_an_answer(base_url: str) -> None:
    choices = ("billing", "shipping", "technical")
    held = structs.replace(request(TICKETS[0]), constraint=Constraint(choices=choices), choice_probabilities=True)
    (one,), _ = await ask(base_url, held)
    (free,), _ = await ask(base_url, structs.replace(request(TICKETS[0], temperature=1.0, max_tokens=1), logprobs=20))
    assert one.choices is not None
    assert math.fsum(one.choices.of.values()) == pytest.approx(1)
    top = {token.text.strip(): math.exp(token.logprob) for token in free.logprobs[0].top}
    begin = {choice: sum(p for text, p in top.items() if text and choice.startswith(text)) for choice in choices}
    assert one.choices.of == pytest.approx({choice: p / sum(begin.values()) for choice, p in begin.items()}, rel=1e-3)
    assert one.choices.mass == pytest.approx(sum(begin.values()), rel=1e-3)


async def test_trials_come_in_one_request_or_each_in_its_own(base_url: str) -> None:
    trials = [request(TICKETS[2], number, temperature=0.8) for number in range(4)]
    found, notices = await ask(base_url, *trials, samples=4)
    assert len(found) == 4
    assert all("one sample a request" in notice or "the first of several samples" in notice for notice in notices)
    assert all(one.usage.prompt for one in found)


async def test_tokens_of_trials_that_came_together_are_those_of_each(base_url: str) -> None:
    """Where log probabilities are told the tokens can be counted; without, what is said of them is about right."""
    trials = [
        request("Write a polite reply to the customer.\n\nMy parcel is late.", number, temperature=1.5, max_tokens=60)
        for number in range(4)
    ]
    counted, _ = await ask(base_url, *(structs.replace(one, logprobs=0) for one in trials), samples=4)
    assert [one.usage.completion for one in counted] == [len(one.logprobs) for one in counted]
    guessed, _ = await ask(base_url, *trials, samples=4)
    assert [one.text for one in guessed] == [one.text for one in counted]
    real = sum(one.usage.completion for one in counted)
    assert sum(one.usage.completion for one in guessed) == pytest.approx(real, rel=0.35)
    assert sum(one.usage.prompt for one in guessed) == sum(one.usage.prompt for one in counted)


async def test_texts_have_vectors_that_say_which_are_alike(base_url: str) -> None:
    model = Endpoint(ModelEntry("real", model="nano", base_url=base_url))
    texts = ["I was charged twice.", "I was charged two times.", "Where is my parcel?"]
    first, second, third = await model.embed(texts)
    await model.close()
    assert [math.hypot(*vector) for vector in (first, second, third)] == pytest.approx([1.0, 1.0, 1.0])
    assert sum(map(mul, first, second)) > sum(map(mul, first, third))
