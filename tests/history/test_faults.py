"""The fault list: eighty ways in which a person's repository, files or machine can be, one line each.

A line saves and publishes runs, or reads, in real repositories. The person's index, working tree, HEAD and refs are
compared byte for byte before and after.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .faults_state import FAULTS as STATES
from .scene import Fault, Scene, template

FAULTS = [*STATES]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults") / "template"


@pytest.fixture
def scene(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, model if model.exists() else template(model), monkeypatch)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.number}: {fault.name}")
def test_fault(scene: Scene, fault: Fault) -> None:
    if fault.scenario is None:
        pytest.skip(fault.reason)
    fault.scenario(scene)
