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
from aiohttp import ClientSession, ClientWebSocketResponse
from yarl import URL

pytest.importorskip("textual_serve")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A server of a workspace, at a port that is free, which is its last argument."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = places.workspace(tmp_path / "shop")
    command = [sys.executable, "-m", "promptlab", "serve", str(folder), "--port", str(port)]
    env = {**os.environ, "TERM": "dumb"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as server:
        try:
            yield server
        finally:
            server.kill()


def _below(pid: int) -> list[str]:
    """The processes that a process has started, and those that these have."""
    children: list[str] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile, as a git command does
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [*children, *(each for child in children for each in _below(int(child)))]


def _until_listening(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError("nobody listens")


async def test_who_has_the_link_gets_in_and_ctrl_c_ends_all_that_ran(server: subprocess.Popen[str]) -> None:
    import aiohttp

    assert server.stdout is not None
    page, _, key = server.stdout.readline().strip().partition("?key=")
    _until_listening(URL(page).port or 0)  # it is printed just before
    own = page.rstrip("/")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        for path in ("", "?key=no", "static/js/textual.js", "ws"):
            async with browser.get(page + path) as answer:
                assert answer.status == 403, path
        async with browser.get(f"{page}?key={key}") as answer:
            assert answer.status == 200
            assert key not in str(answer.url)
            assert "promptlab" in await answer.text()
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
        other = URL(f"{page}?key={key}").with_host("localhost")
        async with browser.get(other) as answer:
            text = await answer.text()
            assert f'"ws://localhost:{other.port}/ws"' in text
            assert f'"http://localhost:{other.port}/static/js/textual.js"' in text
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await browser.ws_connect(page + "ws", headers={"Origin": "http://elsewhere.example"})
        first, second = [await _visit(browser, page, own) for _ in range(2)]
        await first.send_json(["stdin", "5"])
        await _sees(first, b"2 versions")
        await second.send_json(["resize", {"width": 80, "height": 24}])
        await second.send_json(["stdin", "@"])
        await _sees(second, b"git")
        taken = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "promptlab", "serve", ".", "--port", str(URL(page).port)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        out, err = await taken.communicate()
        assert (taken.returncode, out) == (2, b"")
        assert b"cannot be served: Address already in use. Choose another --host or --port." in err
        visitors = _below(server.pid)
        assert len(visitors) >= 2
        server.send_signal(signal.SIGINT)
        ended = asyncio.to_thread(server.wait, 20)
        assert (await asyncio.gather(ended, _until_closed(first), _until_closed(second)))[0] == 0
    assert server.stderr is not None
    said = server.stderr.read()
    assert "with your keys and at your cost" in said
    assert "Traceback" not in said
    assert not [pid for pid in visitors if Path(f"/proc/{pid}").exists()]


async def _visit(browser: ClientSession, page: str, own: str) -> ClientWebSocketResponse:
    terminal = await browser.ws_connect(f"{page}ws?width=100&height=30", headers={"Origin": own})
    await terminal.send_json(["focus"])
    await _sees(terminal, b"triage.toml")
    return terminal


async def _until_closed(terminal: ClientWebSocketResponse) -> None:
    async for _ in terminal:
        pass


async def _sees(terminal: ClientWebSocketResponse, words: bytes) -> None:
    seen = b""
    with contextlib.suppress(asyncio.TimeoutError):
        while words not in seen:
            message = await terminal.receive(30)
            seen += message.data if isinstance(message.data, bytes) else b""
    assert words in seen
