"""The program in a browser, through textual-serve: one process for each visitor, for those who have the link."""

from __future__ import annotations

import hmac
import secrets
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.errors import UsageFault

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

COOKIE = "promptlab"


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


def serve(path: Path, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve the workspace at ``path`` until Ctrl-C.

    Raises:
        UsageFault: The extra ``serve`` is not installed, or the port is taken.
    """
    try:
        from textual_serve.server import Server
    except ImportError:
        raise UsageFault("promptlab serve needs one more package: pip install 'promptlab-tui[serve]'.") from None

    token = secrets.token_urlsafe(18)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}"

    class Guarded(Server):
        async def _make_app(self) -> web.Application:
            app = await super()._make_app()
            app.middlewares.append(guard(token))
            return app

        def initialize_logging(self) -> None:
            """Nothing: its log would repeat what is typed."""

        async def on_startup(self, app: web.Application) -> None:
            say(f"{address}/?key={token}")

    command = shlex.join([sys.executable, "-m", "promptlab", "open", str(path.resolve())])
    server = Guarded(command, host=host, port=port, title="promptlab", public_url=address)
    try:
        server.serve()
    except OSError as fault:
        raise UsageFault(f"{address} cannot be served: {fault.strerror or fault}. Choose another --port.") from None
