"""`promptlab serve`: the program in a browser, for those who have the link and for no other page."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import places
import pytest

pytest.importorskip("textual_serve")


@pytest.fixture
def link(tmp_path: Path) -> Iterator[str]:
    """The link that a server of a workspace printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "promptlab",
        "serve",
        str(places.workspace(tmp_path / "shop")),
        "--port",
        str(port),
    ]
    env = {**os.environ, "TERM": "dumb"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        try:
            link = server.stdout.readline().strip()
            _until_listening(port)  # it is printed just before
            yield link
        finally:
            server.send_signal(signal.SIGINT)
            assert "with your keys and at your cost" in server.stderr.read()
            assert server.wait(20) == 0


def _until_listening(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError("nobody listens")


async def test_only_who_has_the_link_gets_in(link: str) -> None:
    import aiohttp

    page, _, key = link.partition("?key=")
    own = page.rstrip("/")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        for path in ("", "?key=no", "static/js/textual.js", "ws"):
            async with browser.get(page + path) as answer:
                assert answer.status == 403, path
        async with browser.get(f"{page}?key={key}") as answer:
            assert answer.status == 200
            assert key not in str(answer.url)
            assert "promptlab" in await answer.text()
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await browser.ws_connect(page + "ws", headers={"Origin": "http://elsewhere.example"})
        async with browser.ws_connect(f"{page}ws?width=100&height=30", headers={"Origin": own}) as terminal:
            seen = b""
            with contextlib.suppress(asyncio.TimeoutError):
                while b"triage.toml" not in seen:
                    message = await terminal.receive(30)
                    seen += message.data if isinstance(message.data, bytes) else b""
            assert b"triage.toml" in seen
