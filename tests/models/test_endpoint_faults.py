"""The sentence for every way that an endpoint can fail."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Answer, LoopbackServer, drop, hang, raw, status

from promptlab.errors import ExitCode, ModelFault
from promptlab.models.endpoint import Endpoint
from promptlab.models.retry import RetryPolicy
from promptlab.models.values import Fault, Request
from promptlab.workspace.settings_values import ModelEntry
from promptlab.workspace.values import Message, Params

ONCE = RetryPolicy(retries=0)
QUICK = RetryPolicy(first=0.001, longest=0.01)


async def fault_of(entry: ModelEntry, policy: RetryPolicy = ONCE, text: str = "hello") -> Fault:
    model = Endpoint(entry, policy=policy)
    request = Request(key="k", messages=(Message("user", text),), params=Params())
    try:
        (outcome,) = [one async for one in model.generate([request])]
    finally:
        await model.close()
    assert (outcome.text, outcome.finish, outcome.latency, outcome.cost) == ("", "error", 0.0, None)
    assert outcome.fault is not None
    return outcome.fault


def entry(base_url: str, api_key_env: str | None = None, timeout: float = 120.0) -> ModelEntry:
    return ModelEntry(name="gpt", model="gpt-x", base_url=base_url, api_key_env=api_key_env, timeout=timeout)


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:  # bound but not listening: nobody else gets the port meanwhile
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def test_refused(closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}/v1"
    fault = await fault_of(entry(url + "/"), RetryPolicy(first=60))  # at once: nobody has ever answered there
    assert fault == Fault("unavailable", f"gpt: {url} refused the connection. Is the server running?")


async def test_refused_after_it_had_answered_is_tried_again(server: LoopbackServer) -> None:
    model = Endpoint(entry(server.base_url), policy=RetryPolicy(retries=2, first=0.01))
    request = Request(key="k", messages=(Message("user", "hello"),), params=Params())
    assert [one.text async for one in model.generate([request])] == ["hello"]
    server.stop()
    waits: list[int] = []
    policy_delay = RetryPolicy.delay

    def counted(self: RetryPolicy, key: str, attempt: int, retry_after: float | None) -> float:
        waits.append(attempt)
        return policy_delay(self, key, attempt, retry_after)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RetryPolicy, "delay", counted)
        faults = [one.fault async for one in model.generate([request])]
    await model.close()
    assert faults == [Fault("unavailable", f"gpt: {server.base_url} refused the connection. Is the server running?")]
    assert waits == [1, 2]


async def test_unknown_host() -> None:
    fault = await fault_of(entry("http://no-such-host.invalid/v1"))
    assert fault == Fault(
        "unavailable",
        "gpt: the host no-such-host.invalid is not known. "
        "Check base_url of the model in promptlab.toml, and the network.",
    )


async def test_no_secure_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak_plainly() -> None:
            connection, _ = listener.accept()
            connection.recv(1)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=speak_plainly)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        fault = await fault_of(entry(url))
        thread.join()
    assert fault.kind == "unavailable"
    assert fault.message.startswith(f"gpt: there is no secure connection to {url}")
    assert fault.message.endswith("Check base_url and the certificates.")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
async def test_a_certificate_that_nobody_signed(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=tls)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    fault = await fault_of(entry(url))
    server.close()
    await server.wait_closed()
    assert fault == Fault(
        "unavailable",
        f"gpt: there is no secure connection to {url} (self-signed certificate). "
        "Check base_url and the certificates.",
    )


async def test_no_connection_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlab.models.transport.CONNECT_TIMEOUT", 0.2)
    with socket.socket() as listener:
        # A listener whose queue is full answers no further connection, like a host behind a firewall.
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with socket.socket() as first, socket.socket() as second:
            for filler in (first, second):
                filler.setblocking(False)
                filler.connect_ex(address)
            url = f"http://127.0.0.1:{address[1]}/v1"
            fault = await fault_of(entry(url))
    assert fault == Fault(
        "unavailable",
        f"gpt: {url} cannot be reached (no connection within 0.2 s). Check base_url and the network.",
    )


async def test_the_key_is_refused(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-wrong")
    server.key = "sk-right"
    fault = await fault_of(entry(server.base_url, "MY_KEY"))
    assert fault == Fault("auth", "gpt: the key in MY_KEY was refused by 127.0.0.1 (401). Check the variable.")
    server.next(status(403))
    fault = await fault_of(entry(server.base_url, "MY_KEY"))
    assert fault == Fault(
        "auth", "gpt: the key in MY_KEY may not use gpt-x at 127.0.0.1 (403). Check the rights of the key."
    )
    server.next(Answer(429, b'{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}'))
    fault = await fault_of(entry(server.base_url, "MY_KEY"), QUICK)
    assert fault == Fault(
        "auth", "gpt: the account of MY_KEY has no credit left at 127.0.0.1 (429). Check its plan and billing."
    )


async def test_a_key_is_wanted(server: LoopbackServer) -> None:
    server.key = "sk-right"
    fault = await fault_of(entry(server.base_url))
    assert fault == Fault(
        "auth",
        f"gpt: {server.base_url} asks for a key (401). "
        "Name the variable that holds it in api_key_env of the model in promptlab.toml.",
    )
    server.next(status(402))
    fault = await fault_of(entry(server.base_url))
    assert fault.message == "gpt: the account has no credit left at 127.0.0.1 (402). Check its plan and billing."


async def test_unknown_model_and_wrong_address(server: LoopbackServer) -> None:
    server.model = "other"
    fault = await fault_of(entry(server.base_url))
    assert fault == Fault(
        "not_found",
        f"gpt: {server.base_url} does not know the model “gpt-x” or the address "
        "(404: The model `gpt-x` does not exist). Check model and base_url in promptlab.toml.",
    )
    wrong = server.base_url.removesuffix("/v1")
    fault = await fault_of(entry(wrong))
    assert fault.message == (
        f"gpt: {wrong} does not know the model “gpt-x” or the address "
        "(404: no such path: /chat/completions). Check model and base_url in promptlab.toml."
    )


async def test_a_redirect_is_not_followed(server: LoopbackServer) -> None:
    with LoopbackServer() as elsewhere:
        server.next(Answer(307, b"", {"Location": f"{elsewhere.base_url}/chat/completions"}))
        fault = await fault_of(entry(server.base_url))
        assert elsewhere.connections == 0
    assert fault == Fault(
        "not_found",
        f"gpt: {server.base_url} sends requests on to another address (307). "
        "Set base_url of the model in promptlab.toml to that address.",
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "max_tokens is\\n too\\u001b[31m large"}}', "max_tokens is too [31m large"),
        (b'{"error": "max_tokens is too large"}', "max_tokens is too large"),
        (b'{"detail": "max_tokens is too large"}', "max_tokens is too large"),
        (b'{"object": "error", "message": "max_tokens\\u202e is too large"}', "max_tokens is too large"),
        (b"plain text", "plain text"),
        (b'{"error": {"message": "' + b"x" * 500 + b'"}}', "x" * 199 + "…"),
    ],
)
async def test_rejected_says_what_the_server_said(server: LoopbackServer, body: bytes, said: str) -> None:
    server.next(Answer(400, body))
    fault = await fault_of(entry(server.base_url))
    assert fault == Fault(
        "rejected", f"gpt: {server.base_url} rejected the request (400: {said}). Check the prompt's parameters."
    )


@pytest.mark.parametrize("body", [b"", b"<html><body>no</body></html>", b"[1, 2]", b'{"error": 7}'])
async def test_rejected_without_a_word(server: LoopbackServer, body: bytes) -> None:
    server.next(Answer(422, body))
    fault = await fault_of(entry(server.base_url))
    assert fault == Fault(
        "rejected", f"gpt: {server.base_url} rejected the request (422). Check the prompt's parameters."
    )


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "too long", "code": "context_length_exceeded"}}',
        b'{"error": {"message": "too long", "type": "exceed_context_size_error", "code": 400}}',
        b'{"error": {"message": "too long for the maximum context length of 4096 tokens"}}',
    ],
)
async def test_a_prompt_longer_than_the_context(server: LoopbackServer, body: bytes) -> None:
    server.next(Answer(400, body))
    fault = await fault_of(entry(server.base_url))
    assert fault.kind == "context"
    assert fault.message.startswith(f"gpt: the prompt does not fit the context at {server.base_url} (400: too long")
    assert fault.message.endswith("). Shorten the example.")


async def test_rate_limit(server: LoopbackServer) -> None:
    server.rule = lambda asked: status(429, "slow down", retry_after="0")
    fault = await fault_of(entry(server.base_url), QUICK)
    assert fault == Fault(
        "rate_limit",
        f"gpt: {server.base_url} limits the rate (429: slow down). "
        "Wait, or lower concurrency of the model in promptlab.toml.",
    )
    assert server.count["hello"] == 21


@pytest.mark.parametrize("code", [500, 502, 503, 529])
async def test_server_trouble(server: LoopbackServer, code: int) -> None:
    server.rule = lambda asked: status(code, "out of memory")
    fault = await fault_of(entry(server.base_url), QUICK)
    assert fault == Fault(
        "server",
        f"gpt: {server.base_url} has trouble of its own ({code}: out of memory). Run again later.",
    )
    assert server.count["hello"] == QUICK.retries + 1


async def test_timeout(server: LoopbackServer) -> None:
    server.rule = lambda asked: hang()
    fault = await fault_of(entry(server.base_url, timeout=0.1), QUICK)
    assert fault == Fault(
        "timeout",
        f"gpt: {server.base_url} gave no answer within 0.1 s. "
        "Raise timeout of the model in promptlab.toml, or ask for less.",
    )
    assert server.count["hello"] == QUICK.retries + 1


@pytest.mark.parametrize("failure", [drop(), raw(b"{}" * 100, cut=20)])
async def test_dropped_connection(server: LoopbackServer, failure: Answer) -> None:
    server.rule = lambda asked: failure
    fault = await fault_of(entry(server.base_url), QUICK)
    assert fault == Fault(
        "server",
        f"gpt: {server.base_url} closed the connection before its answer was complete. "
        "Look at the server's log, and run again.",
    )
    assert server.count["hello"] == QUICK.retries + 1


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"choices": [', " (not JSON)"),
        (b"<html>hello</html>", " (not JSON)"),
        (b"", " (not JSON)"),
        (b"\xff\xfe\x00", " (not JSON)"),
        pytest.param(b"x" * 20_000_000, " (not JSON)", id="huge"),
        (b"{}", " (no choices)"),
        (b'{"choices": []}', " (no choices)"),
        (b'{"choices": [{"text": "x"}]}', " (Object missing required field `message` - at `$.choices[0]`)"),
        (b'{"choices": [{"message": {"content": 3}}]}', None),
        (b'{"error": {"message": "model is loading"}}', " (model is loading)"),
        (b'{"error": "model is loading"}', " (model is loading)"),
        (b'{"error": {"code": 1}}', " (no choices)"),
    ],
)
async def test_malformed_body(server: LoopbackServer, body: bytes, detail: str | None) -> None:
    server.rule = lambda asked: raw(body)
    fault = await fault_of(entry(server.base_url))
    assert fault.kind == "malformed"
    if detail is not None:
        assert fault.message == (
            f"gpt: {server.base_url} answered with something that is not a chat completion{detail}. "
            "Does base_url name its API?"
        )


async def test_a_body_in_a_false_encoding_is_malformed(server: LoopbackServer) -> None:
    server.rule = lambda asked: Answer(body=b"{}", headers={"Content-Encoding": "gzip"})
    assert (await fault_of(entry(server.base_url))).kind == "malformed"


async def test_half_a_character_is_not_sent(server: LoopbackServer) -> None:
    fault = await fault_of(entry(server.base_url), text="half \ud83d")
    assert fault == Fault(
        "rejected",
        f"gpt: a message for {server.base_url} holds half of a surrogate pair, which is no character. "
        "Correct the example.",
    )


async def test_a_missing_key_variable_is_said_before_any_request(server: LoopbackServer) -> None:
    with pytest.raises(ModelFault) as caught:
        await fault_of(entry(server.base_url, "MY_KEY"))
    assert str(caught.value) == (
        "gpt needs the environment variable MY_KEY, which is not set. "
        "Set it to the key of the endpoint, and start promptlab again."
    )
    assert caught.value.exit_code is ExitCode.MODEL_FAILED
    assert server.connections == 0


async def test_openai_itself_wants_its_variable() -> None:
    with pytest.raises(ModelFault, match=r"^gpt needs the environment variable OPENAI_API_KEY, which is not set"):
        await fault_of(ModelEntry(name="gpt", model="gpt-x"))


@pytest.mark.parametrize("value", ["sk-a\nsk-b", "sk-ключ", "two words", "sk-\x1b[0m"])
async def test_a_key_that_cannot_be_sent(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(ModelFault) as caught:
        await fault_of(entry(server.base_url, "MY_KEY"))
    assert str(caught.value) == (
        "gpt: the environment variable MY_KEY holds characters that no key has. Set it to the key alone."
    )


async def test_an_address_that_is_not_trusted_gets_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    with pytest.raises(ModelFault) as caught:
        await fault_of(entry("https://example.invalid/v1", "MY_KEY"))
    assert str(caught.value) == (
        "gpt would send the key in MY_KEY to https://example.invalid/v1, which this workspace chose. "
        "Run `promptlab trust` if you know that address."
    )
