"""The program in a browser, through textual-serve: one process for each visitor, for those who have the link."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import shlex
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.errors import UsageFault

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware
    from textual_serve.server import Server

COOKIE = "promptlab"
EVERYWHERE = ("0.0.0.0", "::")
"""Addresses to listen on that nobody can be sent to."""


def guard(token: str) -> Middleware:
    """Let in only who has the link, and the pages that they opened with it.

    Without it every page in the person's browser could drive the program, and everybody on this machine.
    """
    from aiohttp import web

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = request.query.get("key", "")
        origin = request.headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != request.host:
            raise web.HTTPForbidden(text="This page is not promptlab's.")
        if hmac.compare_digest(asked.encode(), token.encode()) and request.path == "/":
            found = web.HTTPFound("/")
            found.set_cookie(COOKIE, token, httponly=True, samesite="Strict")
            raise found
        if not hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), token.encode()):
            raise web.HTTPForbidden(text="Open the link that `promptlab serve` printed: it has the key.")
        return await handler(request)

    return check


async def keep_in(request: web.Request, response: web.StreamResponse) -> None:
    """Have the browser ask nobody else: the page of the toolkit would fetch a font from another site."""
    here = "'self' 'unsafe-inline'"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'self'; script-src {here}; style-src {here}; img-src 'self' data: blob:; "
        f"connect-src 'self' ws://{request.host} wss://{request.host}"
    )


def guarded(token: str, ready: Callable[[], None]) -> type[Server]:
    """A server for those who have the link, which ends the programs of its visitors when it ends.

    Args:
        token: Of the link.
        ready: Called once it can be opened.

    Raises:
        ImportError: The extra ``serve`` is not installed.
    """
    from textual_serve import server as textual_serve
    from textual_serve.app_service import AppService

    visits: set[asyncio.Task[object]] = set()

    class Program(AppService):
        async def stop(self) -> None:
            """End the visitor's program; it has ended when this returns."""
            await super().stop()
            if self._process is not None:
                await self._process.wait()

    class Guarded(textual_serve.Server):
        async def _make_app(self) -> web.Application:
            app = await super()._make_app()
            app.middlewares.append(guard(token))
            app.on_response_prepare.append(keep_in)
            return app

        async def handle_index(self, request: web.Request) -> web.StreamResponse:
            """The page, which finds the rest of itself by the name that it was opened by: a machine has several."""
            self.public_url = f"{request.scheme}://{request.host}"
            return await super().handle_index(request)

        def initialize_logging(self) -> None:
            """Nothing: its log would repeat what is typed."""

        async def on_startup(self, app: web.Application) -> None:
            ready()

        async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
            """One visitor, from the opening of the page until it is closed."""
            visit = asyncio.current_task()
            assert visit is not None, "a request is answered in a task"
            visits.add(visit)
            try:
                return await super().handle_websocket(request)
            finally:
                visits.discard(visit)

        async def on_shutdown(self, app: web.Application) -> None:
            """End the programs of those who are here: the server would wait for them to leave."""
            for visit in visits:
                visit.cancel()

    textual_serve.AppService = Program  # pyright: ignore[reportPrivateImportUsage]  # by this name the server makes it
    return Guarded


def serve(path: Path, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve the workspace at ``path`` until Ctrl-C.

    Raises:
        UsageFault: The extra ``serve`` is not installed, or the port is taken.
    """
    token = secrets.token_urlsafe(18)
    reached = socket.gethostname() if host in EVERYWHERE else host
    shown = f"[{reached}]" if ":" in reached else reached
    address = f"http://{shown}:{port}"
    try:
        server_class = guarded(token, lambda: say(f"{address}/?key={token}"))
    except ImportError:
        raise UsageFault("promptlab serve needs one more package: pip install 'promptlab-tui[serve]'.") from None

    command = shlex.join([sys.executable, "-m", "promptlab", "open", str(path.resolve())])
    server = server_class(command, host=host, port=port, title="promptlab", public_url=address)
    try:
        # Before the link is printed: the server says only afterwards that it cannot listen.
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
        server.serve()
    except OSError as fault:
        number = fault.errno or 0  # below 0 for a name that is no address: then the words are in strerror
        why = os.strerror(number) if number > 0 else fault.strerror or str(fault)
        raise UsageFault(f"{address} cannot be served: {why}. Choose another --host or --port.") from None
