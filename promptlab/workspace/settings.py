"""``promptlab.toml``: from bytes to ``Settings``. No value of this file is ever repeated in a message."""

from __future__ import annotations

import re
from typing import cast
from urllib.parse import urlsplit

import msgspec

from promptlab.workspace import sheet as check
from promptlab.workspace.names import is_name
from promptlab.workspace.scan import KeyPath
from promptlab.workspace.settings_values import Defaults, ModelEntry, Results, Settings
from promptlab.workspace.sheet import Check, Expected, Sheet, toml_sheet
from promptlab.workspace.toml import did_you_mean, shown

_SECRET_KEYS = re.compile(
    r"(openai|client|my)?(api|access|auth|bearer|secret)?(key|token|secret|password|passwd|bearer|credentials?)"
    r"|auth|authorization"
)
# How the keys of well-known services begin; what follows is long and has neither a slash nor a dot.
_SECRET_VALUE = re.compile(
    r"\s*(bearer\s+)?((sk|pk|rk|gsk|hf|xai|nvapi|ghp|r8|pplx|tgp|csk)[-_]|AIza)[\w-]{12,}\s*", re.IGNORECASE
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*")
_HIDE_KEY = 'Put the key in an environment variable and name that: api_key_env = "OPENAI_API_KEY".'
_ENDPOINT_ONLY = ("base_url", "api_key_env", "timeout", "concurrency", "stream", "samples", "hedge")
_GGUF_ONLY = ("threads", "batch", "reproducible")


def parse_settings(data: bytes, source: str = "promptlab.toml") -> Settings:
    """The settings file as a value.

    Raises:
        InvalidFile: With every problem of the file. A key that stands in it is refused, and not repeated.
    """
    root, sheet = toml_sheet(data, source)
    _refuse_secrets(sheet, root, ())
    top = sheet.table(root, (), _TOP)
    raw_models = top.get("models", {})
    models: dict[str, ModelEntry] = {}
    if isinstance(raw_models, dict):
        for name, raw in cast("dict[str, object]", raw_models).items():
            entry = _model(sheet, raw, name)
            if entry is not None:
                models[name] = entry
    else:
        sheet.problem(("models",), f"Expected tables such as `[models.mini]`, got {check.kind(raw_models)}.")
    defaults = sheet.table(top.get("defaults", {}), ("defaults",), _DEFAULTS)
    known = list(cast("dict[str, object]", raw_models)) if isinstance(raw_models, dict) else []
    for index, name in enumerate(cast("list[str]", defaults.get("models", []))):
        if name not in known:
            hint = did_you_mean(name, known) or f"Models: {', '.join(map(shown, known)) or 'none'}."
            sheet.problem(("defaults", "models", index), "There is no model of this name in `[models]`.", hint)
    results = sheet.table(top.get("results", {}), ("results",), _RESULTS)
    sheet.finish()
    return Settings(models, msgspec.convert(defaults, Defaults), msgspec.convert(results, Results))


def _model(sheet: Sheet, raw: object, name: str) -> ModelEntry | None:
    path = ("models", name)
    if not _MODEL_NAME.fullmatch(name):
        message = "A model's name is made of letters, digits and . _ / + - and begins with a letter or digit."
        sheet.problem(path, message, "Rename it.")
    values = sheet.table(raw, path, _MODEL)
    if not isinstance(raw, dict):
        return None
    if "price" in values:
        values["price"] = sheet.table(values["price"], (*path, "price"), _PRICE, required=("input", "output"))
    if ("gguf" in raw) == ("model" in raw):
        hint = "Write gguf for a file on this machine, or model (and base_url) for an endpoint."
        sheet.problem(path, "A model needs exactly one of `gguf` and `model`.", hint)
    else:
        this, foreign = ("gguf", _ENDPOINT_ONLY) if "gguf" in raw else ("model", _GGUF_ONLY)
        other = "an endpoint (`model`)" if this == "gguf" else "a file (`gguf`)"
        for key in foreign:
            if key in raw:
                sheet.problem((*path, key), f"`{key}` belongs to {other}, and this model has `{this}`.", "Remove it.")
    try:
        return msgspec.convert({**values, "name": name}, ModelEntry)
    except msgspec.ValidationError:
        return None  # only after a problem was noted, such as a price without its numbers


def _refuse_secrets(sheet: Sheet, table: dict[str, object], path: KeyPath) -> None:
    """Note every literal key, and take it out so that nothing after this can repeat it."""
    for key, value in list(table.items()):
        at = (*path, key)
        if isinstance(value, dict):
            _refuse_secrets(sheet, cast("dict[str, object]", value), at)
        elif _is_secret_name(key) or (isinstance(value, str) and _SECRET_VALUE.fullmatch(value)):
            sheet.problem(at, "A key itself must not stand in this file: it would end up in git.", _HIDE_KEY)
            del table[key]


def _is_secret_name(key: str) -> bool:
    return _SECRET_KEYS.fullmatch(re.sub(r"[-_ ]", "", key).lower()) is not None


def _base_url(value: object) -> str:
    expected = 'an address that begins with http:// or https://, such as "http://127.0.0.1:8080/v1"'
    if not isinstance(value, str) or any(char.isspace() or not char.isprintable() for char in value):
        raise Expected(expected)
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port or an IPv6 address that is none
        valid = False
    else:
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise Expected("an address without user, password, `?` and `#`", "one with them", _HIDE_KEY)
    if not valid:
        raise Expected(expected, "another text")
    return value


def _variable(value: object) -> str:
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value) or _looks_random(value):
        raise Expected("the name of an environment variable, such as OPENAI_API_KEY", "another text", _HIDE_KEY)
    return value


def _looks_random(name: str) -> bool:
    """Whether a text is rather a key than a variable's name: long, with digits, in small letters."""
    return len(name) >= 24 and any(char.isdigit() for char in name) and any(char.islower() for char in name)


def _currency(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z]{3}", value):
        raise Expected('three capital letters, such as "USD"')
    return value


def _name(value: object) -> str:
    name = check.word(value)
    if not is_name(name):
        raise Expected("a name such as support or judges/helpful", "another text")
    return name


_TOP: dict[str, Check] = {"models": check.anything, "defaults": check.anything, "results": check.anything}
_MODEL: dict[str, Check] = {
    "gguf": check.word,
    "model": check.word,
    "base_url": _base_url,
    "api_key_env": _variable,
    "price": check.anything,
    "license": check.text,
    "context": check.whole(1),
    "threads": check.whole(1, 1024),
    "batch": check.whole(1, 64),
    "reproducible": check.boolean,
    "timeout": check.number(0, 86_400, above=True),
    "concurrency": check.whole(1, 1000),
    "stream": check.boolean,
    "samples": check.whole(1, 128),
    "hedge": check.number(50, 99.9),
}
_PRICE: dict[str, Check] = {
    "input": check.number(0),
    "output": check.number(0),
    "currency": _currency,
    "per": check.whole(1),
}
_RESULTS: dict[str, Check] = {
    "mode": check.one_of("snapshot", "branch"),
    "store_outputs": check.one_of("all", "failures", "none"),
    "hooks": check.one_of("skip", "run"),
}
_DEFAULTS: dict[str, Check] = {
    "prompt": _name,
    "models": check.words,
    "evalset": _name,
    "judge": _name,
    "ask_above": check.number(0),
}
