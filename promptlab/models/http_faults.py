"""Every way that an endpoint can fail, as a fault with a sentence: who, where, what to do.

Pure functions of plain values; the exceptions of the HTTP library are read in ``transport.py``.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from promptlab.models.addresses import Address, key_variable
from promptlab.models.values import Fault, FaultKind
from promptlab.workspace.settings_values import ModelEntry

QUOTE_LENGTH = 200
SECRET_LENGTH = 8
"""A key below this length is a placeholder such as ``ollama``: to strike it out of answers would falsify them."""

_CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+")
_CONTEXT = re.compile(r"context_length_exceeded|exceed_context_size|maximum context length|context (size|window)")

Break = Literal[
    "refused", "unknown_host", "unreachable", "insecure", "dropped", "late", "malformed", "no_vectors", "unsendable"
]
"""What can go wrong without an error status."""

Again = Literal["never", "if_answered", "always"]
"""When another try makes sense. ``if_answered``: only once the endpoint has answered something, since a refused
connection is then a restart; before, nobody listens."""


class Failure(Struct, frozen=True):
    """A try that gave no answer.

    Attributes:
        fault: What the outcome says when there is no further try.
        again: When another try makes sense.
        wait: Seconds that the server asked to wait, or None.
        said: Why the server rejected the request, in its own words, fit to quote; "" for any other failure.
    """

    fault: Fault
    again: Again = "never"
    wait: float | None = None
    said: str = ""


class Party(Struct, frozen=True):
    """Who is asked, in the words that sentences need.

    Attributes:
        name: The model's name in promptlab.toml.
        model: What the endpoint calls it.
        place: The endpoint's address as shown.
        host: Its host.
        key_variable: The variable that its key came from, or None.
        timeout: Seconds that one request may take.
    """

    name: str
    model: str
    place: str
    host: str
    key_variable: str | None
    timeout: float


def party_of(entry: ModelEntry, address: Address) -> Party:
    """Whom the requests of an entry go to."""
    return Party(
        name=entry.name,
        model=entry.model or "",
        place=address.shown,
        host=address.host,
        key_variable=key_variable(entry),
        timeout=entry.timeout,
    )


def without_key(text: str, key: str) -> str:
    """``text`` with every occurrence of the key struck out, unless the key is "" or a placeholder for one."""
    return text.replace(key, "[key]") if len(key) >= SECRET_LENGTH else text


def one_line(text: str, key: str = "") -> str:
    """Foreign text, fit to quote: one line, at most 200 characters, no control characters, without the key."""
    text = _CONTROL.sub(" ", without_key(text, key)[: 20 * QUOTE_LENGTH]).strip()
    return text if len(text) <= QUOTE_LENGTH else text[: QUOTE_LENGTH - 1] + "…"


def broken(party: Party, how: Break, detail: str = "") -> Failure:
    """The failure of a try that met no error status. ``detail`` is fit to quote, see :func:`one_line`."""
    kind, again, sentence = _BREAKS[how]
    quote = f" ({detail})" if detail else ""
    text = sentence.format(place=party.place, host=party.host, timeout=f"{party.timeout:g}", quote=quote)
    return Failure(Fault(kind, f"{party.name}: {text}"), again)


_BREAKS: dict[Break, tuple[FaultKind, Again, str]] = {
    "refused": ("unavailable", "if_answered", "{place} refused the connection. Is the server running?"),
    "unknown_host": (
        "unavailable",
        "if_answered",
        "the host {host} is not known. Check base_url of the model in promptlab.toml, and the network.",
    ),
    "unreachable": (
        "unavailable",
        "if_answered",
        "{place} cannot be reached{quote}. Check base_url and the network.",
    ),
    "insecure": (
        "unavailable",
        "if_answered",
        "there is no secure connection to {place}{quote}. Check base_url and the certificates.",
    ),
    "dropped": (
        "server",
        "always",
        "{place} closed the connection before its answer was complete. Look at the server's log, and run again.",
    ),
    "late": (
        "timeout",
        "always",
        "{place} gave no answer within {timeout} s. Raise timeout of the model in promptlab.toml, or ask for less.",
    ),
    "malformed": (
        "malformed",
        "always",
        "{place} answered with something that is not a chat completion{quote}. Does base_url name its API?",
    ),
    "no_vectors": (
        "malformed",
        "always",
        "{place} answered with something that is not a list of embeddings{quote}. Does its model give embeddings?",
    ),
    "unsendable": (
        "rejected",
        "never",
        "a message for {place} holds half of a surrogate pair, which is no character. Correct the example.",
    ),
}


def refused(party: Party, status: int, said: str, code: str = "", wait: float | None = None) -> Failure:
    """The failure of a try that was answered with an error status (or a redirect).

    Args:
        status: The HTTP status.
        said: The server's own message, fit to quote, or "".
        code: The server's own code or type of the error, or "".
        wait: Seconds of its Retry-After, or None.
    """
    quote = f"{status}: {said}" if said else str(status)
    if status in (401, 402, 403) or code == "insufficient_quota":
        return Failure(Fault("auth", _sentence_of_key(party, status, code)))
    if status in (408, 409, 425, 429) or (status >= 500 and status != 501):
        kind, text = _sentence_of_trouble(party, status, quote)
        return Failure(Fault(kind, text), "always", wait)
    if status in (404, 405) or status < 400:
        return Failure(Fault("not_found", _sentence_of_address(party, status, quote)))
    if _CONTEXT.search(code) or _CONTEXT.search(said):
        text = f"{party.name}: the prompt does not fit the context at {party.place} ({quote}). Shorten the example."
        return Failure(Fault("context", text))
    advice = "Choose a model that can do that." if status == 501 else "Check the prompt's parameters."
    text = f"{party.name}: {party.place} rejected the request ({quote}). {advice}"
    return Failure(Fault("rejected", text), said=said)


def _sentence_of_key(party: Party, status: int, code: str) -> str:
    variable = party.key_variable
    if status == 402 or code == "insufficient_quota":
        whose = f"the account of {variable}" if variable else "the account"
        return f"{party.name}: {whose} has no credit left at {party.host} ({status}). Check its plan and billing."
    if variable is None:
        return (
            f"{party.name}: {party.place} asks for a key ({status}). "
            "Name the variable that holds it in api_key_env of the model in promptlab.toml."
        )
    if status == 403:
        return (
            f"{party.name}: the key in {variable} may not use {party.model} at {party.host} (403). "
            "Check the rights of the key."
        )
    return f"{party.name}: the key in {variable} was refused by {party.host} (401). Check the variable."


def _sentence_of_trouble(party: Party, status: int, quote: str) -> tuple[FaultKind, str]:
    if status == 429:
        text = f"{party.place} limits the rate ({quote}). Wait, or lower concurrency of the model in promptlab.toml."
        return "rate_limit", f"{party.name}: {text}"
    return "server", f"{party.name}: {party.place} has trouble of its own ({quote}). Run again later."


def _sentence_of_address(party: Party, status: int, quote: str) -> str:
    if status < 400:
        return (
            f"{party.name}: {party.place} sends requests on to another address ({quote}). "
            "Set base_url of the model in promptlab.toml to that address."
        )
    return (
        f"{party.name}: {party.place} does not know the model “{one_line(party.model)}” or the address ({quote}). "
        "Check model and base_url in promptlab.toml."
    )
