from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(reply=places.route) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, server: LoopbackServer) -> Path:
    return places.workspace(tmp_path / "shop", server.base_url)
