from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from loopback import LoopbackServer, echo

# Read when the engine is loaded: threads that wait give way to the tests beside them. No number depends on it.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """A server that repeats the last user message."""
    with LoopbackServer(echo) as running:
        yield running


@pytest.fixture(autouse=True)
def no_ambient_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables for other clients of the same endpoints, which nothing here may read."""
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS", "OPENAI_ADMIN_KEY", "OPENAI_LOG"):
        monkeypatch.delenv(name, raising=False)
