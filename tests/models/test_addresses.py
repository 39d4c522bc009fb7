from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.errors import ModelFault
from promptlab.models.addresses import address_of, key_problem, key_variable, needs_trust
from promptlab.workspace.settings_values import ModelEntry


def entry(base_url: str | None = None, api_key_env: str | None = "MY_KEY") -> ModelEntry:
    return ModelEntry(name="gpt", model="m", base_url=base_url, api_key_env=api_key_env)


@pytest.mark.parametrize(
    ("given_url", "url"),
    [
        ("http://localhost:8080/v1", "http://localhost:8080/v1"),
        ("HTTP://LOCALHOST:8080/v1//", "http://localhost:8080/v1"),
        ("https://API.example.com:443/V1", "https://api.example.com/V1"),
        ("http://[::1]:80/v1", "http://[::1]/v1"),
        ("https://x.example.com/openai?api-version=1", "https://x.example.com/openai?api-version=1"),
        ("http://h#part", "http://h"),
    ],
)
def test_one_spelling(given_url: str, url: str) -> None:
    assert address_of(entry(given_url)).url == url


def test_the_query_is_not_shown() -> None:
    assert address_of(entry("https://x.example.com/v1?api-version=1")).shown == "https://x.example.com/v1"


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8080",
        "ftp://host/v1",
        "http://",
        "http:///v1",
        "http://host:port/v1",
        "http://host:99999/v1",
        "http://[::1/v1",
        "http://evil.example.com\\@127.0.0.1/v1",
        "http://host /v1",
        "http://host/v1\n",
        "http://hôst/v1",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ModelFault) as caught:
        address_of(entry(url))
    assert str(caught.value) == (
        "gpt: its base_url is not an address such as http://127.0.0.1:8080/v1. "
        "Correct base_url of the model in promptlab.toml."
    )
    assert not needs_trust(entry(url))


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ModelFault) as caught:
        address_of(entry("https://me:sk-secret@api.example.com/v1"))
    assert str(caught.value) == (
        "gpt: its base_url holds a user name or a password, which must not stand in a file. "
        "Put the key into an environment variable and name it in api_key_env."
    )


@given(st.text())
def test_any_text_is_an_address_or_a_sentence(text: str) -> None:
    try:
        address = address_of(entry("http://" + text))
    except ModelFault:
        return
    assert address.host
    assert address_of(entry(address.url)).url == address.url


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        (None, False),
        ("https://api.openai.com/v1", False),
        ("https://API.OpenAI.com:443/v1", False),
        ("http://localhost:11434/v1", False),
        ("http://127.0.0.1:8080/v1", False),
        ("http://127.9.9.9/v1", False),
        ("http://[::1]:8080/v1", False),
        ("http://api.openai.com/v1", True),
        ("https://api.openai.com:8443/v1", True),
        ("https://api.openai.com.example.com/v1", True),
        ("https://example.com/api.openai.com", True),
        ("http://localhost.example.com/v1", True),
        ("http://127.0.0.1.example.com/v1", True),
        ("http://0.0.0.0:8080/v1", True),
        ("http://192.168.1.7:8080/v1", True),
    ],
)
def test_who_may_have_a_key_unasked(url: str | None, wanted: bool) -> None:
    assert needs_trust(entry(url)) is wanted
    assert not needs_trust(entry(url, api_key_env=None))


def test_a_gguf_needs_no_trust() -> None:
    assert not needs_trust(ModelEntry(name="mini", gguf="demo:mini", api_key_env="MY_KEY"))


def test_the_default_address_is_the_packages_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address_of(entry()).url == "https://api.openai.com/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gateway.example.com/v1")
    assert address_of(entry()).url == "http://gateway.example.com/v1"
    assert not needs_trust(entry())


@pytest.mark.parametrize(
    ("url", "named", "variable"),
    [
        (None, None, "OPENAI_API_KEY"),
        ("https://api.openai.com/v1", None, "OPENAI_API_KEY"),
        (None, "MY_KEY", "MY_KEY"),
        ("http://localhost/v1", None, None),
        ("https://example.com/v1", None, None),
    ],
)
def test_which_variable_holds_the_key(url: str | None, named: str | None, variable: str | None) -> None:
    assert key_variable(entry(url, named)) == variable


def test_a_key_that_is_there_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-0123\n")
    assert key_problem(entry()) == ""
    monkeypatch.setenv("MY_KEY", "  ")
    assert key_problem(entry()).startswith("gpt needs the environment variable MY_KEY, which is not set.")
