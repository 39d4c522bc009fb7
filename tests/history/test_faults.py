"""The fault list: eighty ways in which a person's repository, files or machine can be, one line each.

A line saves and publishes runs, or reads, in real repositories. The person's index, working tree, HEAD and refs are
compared byte for byte before and after, and git is asked whether all is well.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from . import faults_files, faults_past, faults_races, faults_settings, faults_state
from .scene import Fault, Scene, template

FAULTS = [
    *faults_state.FAULTS,
    *faults_settings.FAULTS,
    *faults_races.FAULTS,
    *faults_past.FAULTS,
    *faults_files.FAULTS,
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults") / "template"


@pytest.fixture
def scene(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, model if model.exists() else template(model), monkeypatch)


# Children are forked off the test's own process, which is why they cost nothing; they only run git and die.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.number}: {fault.name}")
def test_fault(scene: Scene, fault: Fault) -> None:
    if fault.scenario is None:
        pytest.skip(fault.reason)
    fault.scenario(scene)


def test_no_line_is_left_out() -> None:
    assert [fault.number for fault in FAULTS] == list(range(1, 81))
