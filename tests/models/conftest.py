from __future__ import annotations

from collections.abc import Iterator

import pytest
from loopback import LoopbackServer, echo


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """A server that repeats the last user message."""
    with LoopbackServer(echo) as running:
        yield running
