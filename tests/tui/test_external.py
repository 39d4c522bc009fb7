from __future__ import annotations

import subprocess
from contextlib import nullcontext
from pathlib import Path

import pytest

from promptlab.errors import StorageFault
from promptlab.tui.external import EditorFault, edit_outside, editor_command


def script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_visual_comes_before_editor_and_both_are_cut_as_a_shell_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    assert editor_command() == ["vi"]
    monkeypatch.setenv("EDITOR", "nano -w")
    assert editor_command() == ["nano", "-w"]
    monkeypatch.setenv("VISUAL", "'/opt/my editor' --wait")
    assert editor_command() == ["/opt/my editor", "--wait"]
    monkeypatch.setenv("VISUAL", " ")
    with pytest.raises(EditorFault, match="is blank"):
        editor_command()


def test_line_ends_come_back_as_they_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", script(tmp_path / "e", "true"))
    assert edit_outside("a\r\nb\n", "x.toml", nullcontext) == "a\r\nb\n"


def test_the_file_has_the_prompts_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", script(tmp_path / "e", 'basename "$1" > "$1"'))
    assert edit_outside("", "triage.toml", nullcontext) == "triage.toml\n"


@pytest.mark.parametrize("body", [r"printf '\377' > \"$1\"".replace('\\"', '"'), 'rm "$1"'])
def test_what_cannot_be_read_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    monkeypatch.setenv("VISUAL", script(tmp_path / "e", body))
    with pytest.raises(EditorFault, match=r"cannot be read as UTF-8 text\. Nothing was changed\."):
        edit_outside("a", "x.toml", nullcontext)


def test_nothing_is_raised_while_the_terminal_is_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("VISUAL", "some-editor")
    monkeypatch.setattr(subprocess, "run", interrupted)
    with pytest.raises(EditorFault, match="some-editor was interrupted"):
        edit_outside("a", "x.toml", nullcontext)


def test_no_room_for_a_temporary_file_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("VISUAL", "some-editor")
    monkeypatch.setattr("tempfile.TemporaryDirectory", full)
    with pytest.raises(StorageFault, match="No space left on device"):
        edit_outside("a", "x.toml", nullcontext)
