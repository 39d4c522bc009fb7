"""The wire to one endpoint: the ``openai`` client, one request, and its exceptions read as failures.

Imports ``openai``, so it is itself imported at the first request only.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import openai

from promptlab.models.addresses import Address
from promptlab.models.http_faults import Break, Failure, Party, broken, one_line, refused
from promptlab.models.retry import retry_after

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT = 10.0
"""Seconds to reach a host; the whole request has the model's own timeout."""

_NO_KEY = "none"
_OUR_HEADERS = frozenset(
    [
        "host",
        "connection",
        "accept",
        "accept-encoding",
        "user-agent",
        "content-type",
        "content-length",
        "authorization",
    ]
)


class Wire:
    """A client for one endpoint, with connections that are used again. Sends nothing before the first ``ask``.

    It never retries (that is the model's to decide) and never follows a redirect: prompts go to the address in the
    file, or nowhere. Proxy settings of the environment do not apply on the loopback address.
    """

    def __init__(self, address: Address, key: str, party: Party) -> None:
        """``key`` may be "": the endpoint then gets a word that is none, since the client insists on one."""
        self._key = key
        self._party = party
        self._client = openai.AsyncOpenAI(
            api_key=key or _NO_KEY,
            base_url=address.url,
            max_retries=0,
            timeout=openai.Timeout(None, connect=CONNECT_TIMEOUT),
            http_client=openai.DefaultAsyncHttpxClient(
                trust_env=not address.on_loopback,
                follow_redirects=False,
                # Plain HTTP on this machine, with no proxy and no redirect, never speaks TLS: the 50 ms of loading
                # certificates would be for nothing.
                verify=not (address.on_loopback and address.url.startswith("http:")),
                event_hooks={} if address.is_default else {"request": [_only_our_headers(key or _NO_KEY)]},
            ),
        )

    async def ask(self, body: Mapping[str, object]) -> str | Failure:
        """Send one chat completion; the body of the answer, undecoded, or the failure.

        ``post`` with ``cast_to=str`` is the public call that builds no objects of the answer: about half the CPU
        time of ``chat.completions.create``.
        """
        try:
            return await self._client.post("/chat/completions", cast_to=str, body=body)
        except openai.APIStatusError as error:
            said, code = _what_it_said(error, self._key)
            wait = retry_after(error.response.headers.get("retry-after"))
            return refused(self._party, error.status_code, said, code, wait)
        except openai.APIConnectionError as error:
            how = _how_it_broke(error)
            return broken(self._party, how, _reason(error) if how in ("unreachable", "insecure") else "")
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON escapes let into an eval set
            return broken(self._party, "unsendable")

    async def close(self) -> None:
        """Close the connections. One that is broken already is no fault."""
        with suppress(OSError):
            await self._client.close()


def _only_our_headers(key: str) -> Callable[[httpx2.Request], Awaitable[None]]:
    """A hook that sends an endpoint of the workspace what it needs and nothing else.

    The package adds OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS of the environment, and a
    description of this machine: meant for OpenAI, not for any address that stands in a file.
    """

    async def hook(request: httpx2.Request) -> None:
        for name in [name for name in request.headers if name not in _OUR_HEADERS]:
            del request.headers[name]
        request.headers["authorization"] = f"Bearer {key}"

    return hook


def _what_it_said(error: openai.APIStatusError, key: str) -> tuple[str, str]:
    """The server's message, fit to quote, and its code."""
    body: object = error.body  # what stood under "error", where there was such a thing
    if isinstance(body, dict):
        fields = cast("dict[str, object]", body)
        said = next((one for one in map(fields.get, ("message", "detail")) if isinstance(one, str)), "")
        code = next((one for one in map(fields.get, ("code", "type")) if isinstance(one, str)), "")
        return one_line(said, key), code
    if isinstance(body, str) and not body.lstrip().startswith("<"):  # a page for a browser says nothing to quote
        return one_line(body, key), ""
    return "", ""


def _how_it_broke(error: openai.APIConnectionError) -> Break:
    causes = list(_causes(error))
    names = {type(one).__name__ for one in causes}  # the HTTP library is openai's own choice: known by name only
    if any(isinstance(one, ConnectionRefusedError) for one in causes):
        return "refused"
    if any(isinstance(one, socket.gaierror) for one in causes):
        return "unknown_host"
    if "ConnectTimeout" in names:
        return "unreachable"
    if "DecodingError" in names:
        return "malformed"
    if any(isinstance(one, ssl.SSLError) for one in causes) and "ConnectError" in names:
        return "insecure"
    return "unreachable" if names & {"ConnectError", "ProxyError", "UnsupportedProtocol"} else "dropped"


def _reason(error: BaseException) -> str:
    """The first cause that says something, fit to quote."""
    for one in _causes(error):
        if type(one).__name__ == "ConnectTimeout":
            return f"no connection within {CONNECT_TIMEOUT:g} s"
        if isinstance(one, ssl.SSLCertVerificationError):
            return one_line(one.verify_message)
        if isinstance(one, OSError) and one.strerror:
            return one_line(one.strerror)
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What an exception came from, nearest first, without itself."""
    seen: set[int] = set()
    cause = error.__cause__ or error.__context__
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
