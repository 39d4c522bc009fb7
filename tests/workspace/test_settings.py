"""``promptlab.toml``: what is accepted, what is refused, and that no key is ever repeated."""

from __future__ import annotations

import pytest

from promptlab.errors import InvalidFile
from promptlab.workspace.settings import parse_settings
from promptlab.workspace.settings_values import Defaults, ModelEntry, Price, Results, Settings

SETTINGS = """\
[models.mini]
gguf = "demo:mini"
threads = 4
batch = 8
reproducible = true
context = 2048
[models."gpt-4.1-mini"]
model = "gpt-4.1-mini"
base_url = "https://api.openai.com/v1"
api_key_env = "OPENAI_API_KEY"
price = { input = 0.40, output = 1.60, currency = "EUR", per = 1000 }
license = "proprietary"
timeout = 30
concurrency = 4
[defaults]
models = ["mini"]
evalset = "support"
judge = "judges/helpful"
[results]
mode = "branch"
store_outputs = "failures"
"""
MINI = '[models.mini]\ngguf = "a.gguf"\n'
GPT = '[models.gpt]\nmodel = "x"\n'


def problems_of(text: str) -> list[str]:
    with pytest.raises(InvalidFile) as caught:
        parse_settings(text.encode())
    return [str(problem) for problem in caught.value.problems]


def test_settings_are_read_as_they_stand() -> None:
    settings = parse_settings(SETTINGS.encode())
    assert settings == Settings(
        models={
            "mini": ModelEntry("mini", gguf="demo:mini", threads=4, batch=8, reproducible=True, context=2048),
            "gpt-4.1-mini": ModelEntry(
                "gpt-4.1-mini",
                model="gpt-4.1-mini",
                base_url="https://api.openai.com/v1",
                api_key_env="OPENAI_API_KEY",
                price=Price(0.4, 1.6, "EUR", 1000),
                license="proprietary",
                timeout=30.0,
                concurrency=4,
            ),
        },
        defaults=Defaults(models=("mini",), evalset="support", judge="judges/helpful"),
        results=Results(mode="branch", store_outputs="failures"),
    )
    assert list(settings.models) == ["mini", "gpt-4.1-mini"]


def test_an_empty_file_is_valid() -> None:
    assert parse_settings(b"") == Settings()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("models = 1", "models: Expected tables such as `[models.mini]`, got 1."),
        ("models.mini = 1", "models.mini: Expected a table, got 1."),
        ("[model.mini]", ":1: model: Unknown key `model`. Did you mean `models`?"),
        ("[models.mini]", "models.mini: A model needs exactly one of `gguf` and `model`. Write gguf for a file on"),
        (MINI + "model = 'x'", "models.mini: A model needs exactly one of `gguf` and `model`."),
        (MINI + "base_url = 'http://x'", "`base_url` belongs to an endpoint (`model`), and this model has `gguf`."),
        (GPT + "threads = 2", "`threads` belongs to a file (`gguf`), and this model has `model`. Remove it."),
        (GPT + "batch = 2", "`batch` belongs to a file (`gguf`), and this model has `model`. Remove it."),
        (MINI + "batch = 0", "models.mini.batch: Expected a whole number from 1 to 64, got 0."),
        (MINI + "batch = 65", "models.mini.batch: Expected a whole number from 1 to 64, got 65."),
        (MINI + "threads = 0", "models.mini.threads: Expected a whole number from 1 to 1024, got 0."),
        (MINI + "context = 0", "models.mini.context: Expected a whole number"),
        (GPT + "base-url = 'http://x'", "Unknown key `base-url`. Did you mean `base_url`?"),
        (
            GPT + "base_url = 'ftp://x'",
            "models.gpt.base_url: Expected an address that begins with http:// or https://",
        ),
        (GPT + "base_url = 'localhost:80'", "Expected an address that begins with http:// or https://"),
        (GPT + "base_url = 'http://'", "Expected an address that begins with http:// or https://"),
        (GPT + "base_url = 'http://h:99999'", "Expected an address that begins with http:// or https://"),
        (GPT + "base_url = 'http://[::1'", "Expected an address that begins with http:// or https://"),
        (GPT + "base_url = 'http://a b'", "Expected an address that begins with http:// or https://"),
        (GPT + "base_url = 7", "Expected an address that begins with http:// or https://"),
        (GPT + "api_key_env = 'MY KEY'", "api_key_env: Expected the name of an environment variable, such as OPENAI"),
        (GPT + "timeout = 0", "timeout: Expected a number above 0, at most 86400, got 0."),
        (GPT + "price = 1", "models.gpt.price: Expected a table, got 1."),
        (GPT + "price = { input = 1 }", "models.gpt.price: The key `output` is missing. Add it."),
        (GPT + "price = { input = 1, output = 1, currency = '$' }", 'Expected three capital letters, such as "USD"'),
        ("[models.'a b']\ngguf = 'x'", 'models."a b": A model\'s name is made of letters, digits and . _ / + -'),
        (
            "defaults.models = ['mni']\n" + MINI,
            ":1: defaults.models[0]: There is no model of this name in `[models]`.",
        ),
        ("defaults.models = ['mni']\n" + MINI, "Did you mean `mini`?"),
        ("defaults.models = ['zzz']", "There is no model of this name in `[models]`. Models: none."),
        ("defaults.evalset = '../x'", "defaults.evalset: Expected a name such as support or judges/helpful"),
        ("results.mode = 'push'", 'results.mode: Expected "snapshot" or "branch", got "push".'),
        ("results.store_outputs = true", 'results.store_outputs: Expected "all" or "failures" or "none", got true.'),
        ("results.store_output = 'all'", "Unknown key `store_output`. Did you mean `store_outputs`?"),
        ("defaults.judges = 'x'", "defaults.judges: Unknown key `judges`. Did you mean `judge`?"),
    ],
)
def test_one_problem_one_sentence(text: str, sentence: str) -> None:
    found = problems_of(text)
    assert len(found) == 1
    assert sentence in found[0]


SECRET = "sk-proj-4f2a9c00aaBBccDD1122"


@pytest.mark.parametrize(
    "line",
    [
        'api_key = "{}"',
        'api-key = "{}"',
        'apiKey = "{}"',
        'key = "{}"',
        'token = "{}"',
        'OPENAI_API_KEY = "{}"',
        'password = "{}"',
        'authorization = "Bearer {}"',
        'api_key_env = "{}"',
        'license = "Bearer {}"',
        'base_url = "https://user:{}@host/v1"',
        'base_url = "https://host/v1?key={}"',
        'base_url = "https://host/v1#{}"',
    ],
)
def test_a_literal_key_is_refused_and_not_repeated(line: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        parse_settings((GPT + line.format(SECRET)).encode())
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].line == 3
    assert 'name that: api_key_env = "OPENAI_API_KEY".' in str(caught.value)
    assert SECRET not in repr(caught.value) + str(caught.value) + repr(caught.value.problems)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "value", ["AIzaSyA0123456789abcdefghij", "gsk_abcdefghijkl0123456789", "a1b2c3d4e5f6a7b8c9d0e1f2a3b4"]
)
def test_a_key_that_could_be_a_variable_is_refused(value: str) -> None:
    found = problems_of(GPT + f'api_key_env = "{value}"')
    assert len(found) == 1
    assert value not in found[0]


def test_a_key_outside_of_models_is_refused() -> None:
    assert problems_of(f'openai_api_key = "{SECRET}"')[0].startswith(
        "promptlab.toml:1: openai_api_key: A key itself must not stand in this file: it would end up in git."
    )
    assert parse_settings(b'[models.token]\ngguf = "x"\n').models["token"].gguf == "x"
