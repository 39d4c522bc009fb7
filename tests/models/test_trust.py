from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from promptlab.errors import StorageFault
from promptlab.models.trust import is_trusted, state_folder, trust
from promptlab.workspace.settings_values import ModelEntry

ENTRY = ModelEntry(name="gpt", model="m", base_url="https://example.com/v1", api_key_env="MY_KEY")


def test_trust_is_remembered_for_exactly_what_was_agreed(tmp_path: Path) -> None:
    assert not is_trusted(tmp_path, ENTRY)
    trust(tmp_path, ENTRY)
    assert is_trusted(tmp_path, ENTRY)
    assert is_trusted(tmp_path / "sub" / "..", replace(ENTRY, model="other", base_url="https://EXAMPLE.com/v1/"))
    assert not is_trusted(tmp_path / "elsewhere", ENTRY)
    assert not is_trusted(tmp_path, replace(ENTRY, base_url="https://example.org/v1"))
    assert not is_trusted(tmp_path, replace(ENTRY, api_key_env="OTHER_KEY"))


def test_what_needs_no_trust_has_none(tmp_path: Path) -> None:
    local = replace(ENTRY, base_url="http://localhost/v1")
    trust(tmp_path, local)
    assert not is_trusted(tmp_path, local)
    assert not is_trusted(tmp_path, replace(ENTRY, base_url="no address"))


def test_nothing_of_it_lies_in_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "state"))
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    trust(workspace, ENTRY)
    assert list(workspace.iterdir()) == []
    (record,) = (tmp_path / "state" / "trusted-endpoints").iterdir()
    assert record.read_text() == f"{workspace}\nhttps://example.com/v1\nMY_KEY\n"
    monkeypatch.delenv("PROMPTLAB_STATE")
    assert state_folder().name == "promptlab"
    assert not is_trusted(workspace, ENTRY)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "file"))
    with pytest.raises(StorageFault, match=r"the answer cannot be remembered \(not a directory\)\. Make the folder"):
        trust(tmp_path, ENTRY)
