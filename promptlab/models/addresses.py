"""Where an endpoint is: its address in one spelling, and whether it may receive a key unasked."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from promptlab.errors import ModelFault
from promptlab.workspace.settings_values import ModelEntry

OPENAI = "https://api.openai.com/v1"
_OPENAI_KEY = "OPENAI_API_KEY"
_PORTS = {"http": 80, "https": 443}
# What the parsers of two libraries may read differently has no place in an address that decides who gets a key.
_AMBIGUOUS = re.compile(r"[^\x21-\x7e]|[\\]")


class Address(Struct, frozen=True):
    """The base URL of an endpoint.

    Attributes:
        url: In one spelling: lower-case scheme and host, no default port, no slash at the end.
        host: The host alone.
        shown: ``url`` without its query, for sentences.
        on_loopback: It is on this machine.
        is_default: It is OpenAI's own.
    """

    url: str
    host: str
    shown: str
    on_loopback: bool
    is_default: bool


def address_of(entry: ModelEntry) -> Address:
    """The address of an endpoint: ``base_url``, else the variable OPENAI_BASE_URL, else OpenAI itself.

    Raises:
        ModelFault: When it is no http(s) address, or holds a user name or a password.
    """
    given = entry.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
    parts, port = _split(given)
    if parts is None or parts.scheme not in _PORTS or not parts.hostname or _AMBIGUOUS.search(given):
        raise ModelFault(
            f"{entry.name}: its base_url is not an address such as http://127.0.0.1:8080/v1. "
            "Correct base_url of the model in promptlab.toml."
        )
    if "@" in parts.netloc:
        raise ModelFault(
            f"{entry.name}: its base_url holds a user name or a password, which must not stand in a file. "
            "Put the key into an environment variable and name it in api_key_env."
        )
    host = parts.hostname
    place = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS[parts.scheme]:
        place = f"{place}:{port}"
    shown = f"{parts.scheme}://{place}{parts.path.rstrip('/')}"
    return Address(
        url=f"{shown}?{parts.query}" if parts.query else shown,
        host=host,
        shown=shown,
        on_loopback=on_loopback(host),
        is_default=entry.base_url is None or (parts.scheme == "https" and place == "api.openai.com"),
    )


def key_variable(entry: ModelEntry) -> str | None:
    """The environment variable that holds the key, or None when the endpoint gets none.

    Raises:
        ModelFault: As :func:`address_of`.
    """
    return entry.api_key_env or (_OPENAI_KEY if address_of(entry).is_default else None)


def key_of(entry: ModelEntry) -> str:
    """The key itself, or "" when the endpoint gets none or :func:`key_problem` says why not.

    Raises:
        ModelFault: As :func:`address_of`.
    """
    variable = key_variable(entry)
    return os.environ.get(variable, "").strip() if variable else ""


def key_problem(entry: ModelEntry) -> str:
    """Why the key cannot be used, as a sentence, or "".

    Raises:
        ModelFault: As :func:`address_of`.
    """
    variable, value = key_variable(entry), key_of(entry)
    if variable is None:
        return ""
    if not value:
        return (
            f"{entry.name} needs the environment variable {variable}, which is not set. "
            "Set it to the key of the endpoint, and start promptlab again."
        )
    if not value.isascii() or not value.isprintable() or " " in value:
        return (
            f"{entry.name}: the environment variable {variable} holds characters that no key has. "
            "Set it to the key alone."
        )
    return ""


def needs_trust(entry: ModelEntry) -> bool:
    """True when a key would go to an address that the workspace chose, off this machine.

    False for an address that is none: nothing is ever sent there.
    """
    if entry.model is None or entry.api_key_env is None:
        return False
    try:
        address = address_of(entry)
    except ModelFault:
        return False
    return not (address.on_loopback or address.is_default)


def endpoint_identity(entry: ModelEntry) -> str:
    """What names the source of an answer in every cell key: ``endpoint:`` and 16 hex digits of address and model.

    Raises:
        ModelFault: As :func:`address_of`.
    """
    text = f"{address_of(entry).url}\n{entry.model}"
    return f"endpoint:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _split(url: str) -> tuple[SplitResult | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError:
        return None, None


def on_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
