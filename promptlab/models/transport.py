"""The wire to one endpoint: one HTTP request over connections that are used again, and what can break it.

Of the clients measured (CPU a request, zero-latency server, 20 and 100 at once), ``aiohttp`` alone takes 0.12 ms; the
``openai`` package over the same transport takes 0.68 ms, over its own 1.1 ms. Imported at the first request only.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import cast
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
from msgspec import Struct
from yarl import URL

from promptlab import __version__
from promptlab.models.addresses import Address
from promptlab.models.http_faults import Break, Failure, Party, broken, one_line, refused
from promptlab.models.retry import retry_after

CONNECT_TIMEOUT = 10.0
"""Seconds to reach a host; the whole request has the model's own timeout."""

_NO_KEY = "none"
_LONGEST_PAGE = 1 << 20
"""Bytes of an error's body that are read for its sentence."""


class Page(Struct, frozen=True):
    """An answer of status 200 as it came.

    Attributes:
        free: Requests that the endpoint says may still be sent in its present window; None where it does not say.
        renewed: Seconds until that window ends, as it says.
    """

    body: bytes
    free: int | None = None
    renewed: float | None = None


class Wire:
    """Connections to one endpoint. Sends nothing before the first ``ask``; made and used in one event loop.

    It never retries (that is the model's to decide) and never follows a redirect: prompts go to the address in the
    file, or nowhere. Proxy settings of the environment do not apply on the loopback address.
    """

    def __init__(self, address: Address, key: str, party: Party) -> None:
        """``key`` may be "": the endpoint then gets a word that is none, since some servers insist on one."""
        self._key = key
        self._party = party
        self._base, _, self._query = address.url.partition("?")
        self._proxy = "" if address.on_loopback else _proxy_of(address)
        self._urls: dict[str, URL] = {}
        self._session = aiohttp.ClientSession(
            # How many are in flight is the model's to decide.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
            trust_env=False,  # it would read ~/.netrc as well
            headers={
                "Accept": "application/json, text/event-stream",
                "Authorization": f"Bearer {key or _NO_KEY}",
                "Content-Type": "application/json",
                "User-Agent": f"promptlab/{__version__}",
            },
        )

    async def ask(self, path: str, body: Mapping[str, object]) -> Page | Failure:
        """Send one request below the base URL; the answer, undecoded, or the failure."""
        sent = self._encoded(body)
        if isinstance(sent, Failure):
            return sent
        try:
            async with self._post(path, sent) as response:
                if response.status != 200:
                    return await self._refusal(response)
                return Page(await response.read(), *_window(response.headers))
        except (aiohttp.ClientError, OSError) as error:
            return self._broken(error)

    async def stream(self, path: str, body: Mapping[str, object]) -> AsyncIterator[bytes | Failure]:
        """Send one request; the ``data:`` lines of its event stream as they come, or a failure as the last thing."""
        sent = self._encoded(body)
        if isinstance(sent, Failure):
            yield sent
            return
        try:
            async with self._post(path, sent) as response:
                if response.status != 200:
                    yield await self._refusal(response)
                    return
                async for line in response.content:
                    if line.startswith(b"data:"):
                        yield line[5:].strip()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            yield self._broken(error)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def _post(self, path: str, body: bytes) -> aiohttp.client._RequestContextManager:  # pyright: ignore[reportPrivateUsage] -- the public name of what post gives
        if path not in self._urls:
            url = self._base + path + (f"?{self._query}" if self._query else "")
            self._urls[path] = URL(url, encoded=True)
        return self._session.post(self._urls[path], data=body, allow_redirects=False, proxy=self._proxy or None)

    def _encoded(self, body: Mapping[str, object]) -> bytes | Failure:
        try:
            return msgspec.json.encode(body)
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON escapes let into an eval set
            return broken(self._party, "unsendable")

    async def _refusal(self, response: aiohttp.ClientResponse) -> Failure:
        page = await response.content.read(_LONGEST_PAGE)
        said, code = what_it_said(page, self._key)
        return refused(self._party, response.status, said, code, retry_after(response.headers.get("Retry-After")))

    def _broken(self, error: Exception) -> Failure:
        how = _how_it_broke(error)
        return broken(self._party, how, _reason(error) if how in ("unreachable", "insecure") else "")


def _proxy_of(address: Address) -> str:
    """The proxy that the environment names for an address, or ""."""
    if proxy_bypass(address.host):
        return ""
    proxies = getproxies()
    return proxies.get(address.url.partition(":")[0]) or proxies.get("all") or ""


def _window(headers: Mapping[str, str]) -> tuple[int | None, float | None]:
    """What the rate-limit headers say of the present window (names as OpenAI and those that follow it send them)."""
    free = headers.get("x-ratelimit-remaining-requests")
    if free is None or not free.isdigit():
        return None, None
    return int(free), duration(headers.get("x-ratelimit-reset-requests", ""))


def duration(text: str) -> float | None:
    """The seconds of ``1m30.5s``, ``120ms`` or ``7``, or None for anything else."""
    total, number = 0.0, ""
    rest = text.strip().replace("ms", "u")
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "u": 0.001}
    for char in rest if rest[-1:] in units else rest + "s":
        if char in units and number:
            try:
                total += float(number) * units[char]
            except ValueError:
                return None
            number = ""
        else:
            number += char
    return None if number or not rest else total


def what_it_said(page: bytes, key: str) -> tuple[str, str]:
    """The message of an error's body, fit to quote, and its code."""
    try:
        body: object = msgspec.json.decode(page)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = page.decode("utf-8", "replace").strip()
        # A page for a browser says nothing to quote.
        return ("", "") if text.startswith("<") else (one_line(text, key), "")
    error = cast("dict[str, object]", body).get("error", cast("object", body)) if isinstance(body, dict) else body
    if isinstance(error, dict):
        fields = cast("dict[str, object]", error)
        said = next((one for one in map(fields.get, ("message", "detail")) if isinstance(one, str)), "")
        code = next((one for one in map(fields.get, ("code", "type")) if isinstance(one, str)), "")
        return one_line(said, key), code
    return (one_line(error, key), "") if isinstance(error, str) else ("", "")


def _how_it_broke(error: Exception) -> Break:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return "unreachable"
        case aiohttp.ClientConnectorDNSError():
            return "unknown_host"
        case aiohttp.ClientConnectorSSLError() | aiohttp.ClientConnectorCertificateError() | ssl.SSLError():
            return "insecure"
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return "refused"
        case aiohttp.ClientConnectorError() | aiohttp.ClientHttpProxyError():
            return "unreachable"
        case aiohttp.ClientPayloadError() if "content-encoding" in str(error):
            return "malformed"
        case aiohttp.InvalidURL():
            return "unreachable"
        case _:
            return "dropped"


def _reason(error: Exception) -> str:
    """What the system said of a connection that could not be made, fit to quote."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"no connection within {CONNECT_TIMEOUT:g} s"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        return one_line(cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else str(cause))
    if isinstance(error, aiohttp.ClientConnectorError):
        return one_line(error.os_error.strerror or "")
    return ""
