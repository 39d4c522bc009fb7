"""The jump overlay, the copy menu, the clipboard of the desktop, a run that another process does."""

from __future__ import annotations

from pathlib import Path

import pytest
from tui.sitting import sitting

from promptlab.tui import clipboard


def fake(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    tool = folder / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return tool


async def test_one_key_jumps_to_a_pane_or_a_screen(folder: Path) -> None:
    async with sitting(folder) as here:
        await here.sees("v2")
        await here.press("e", "ctrl+o")
        await here.sees(" a ")
        assert " s " in here.lines[1]
        await here.press("d")
        assert here.app.screen.focused is here.prompts.query_one("#preview")
        await here.press("ctrl+o", "6")
        await here.until(lambda: here.app.current_mode == "evals")
        await here.press("ctrl+o", "escape")
        assert here.app.current_mode == "evals"


async def test_the_copy_menu_uses_the_tool_of_the_desktop(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path / "bin", "xclip", f'[ "$*" = "-selection clipboard -in" ] && cat > {tmp_path}/clip')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=":")
    monkeypatch.setenv("DISPLAY", ":9")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    async with sitting(folder) as here:
        await here.sees("other: I was charged twice.")
        await here.press("Y")
        await here.sees("Copy (xclip)")
        await here.sees("prompts/triage.toml")
        await here.press("down", "enter")
        await here.until(lambda: here.status.startswith("copied preview"))
        await here.until(lambda: (tmp_path / "clip").exists() and (tmp_path / "clip").read_text())
        assert "other: I was charged twice." in (tmp_path / "clip").read_text()
        fake(tmp_path / "bin", "xclip", "exit 1")
        await here.press("Y", "enter")
        await here.until(lambda: "xclip could not copy it: sent to the terminal instead (OSC 52)." in here.status)


@pytest.mark.parametrize(
    ("env", "platform", "name"),
    [
        ({"WAYLAND_DISPLAY": "w"}, "linux", "wl-copy"),
        ({"DISPLAY": ":0"}, "linux", "xclip"),
        ({"DISPLAY": ":10", "WAYLAND_DISPLAY": "w", "SSH_TTY": "/dev/pts/1"}, "linux", "xclip"),
        ({"WAYLAND_DISPLAY": "w", "SSH_CONNECTION": "1 2 3 4"}, "linux", ""),
        ({}, "darwin", "pbcopy"),
        ({}, "linux", ""),
        ({"DISPLAY": ":0", "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver"}, "linux", ""),
    ],
)
def test_which_tool_is_taken(tmp_path: Path, env: dict[str, str], platform: str, name: str) -> None:
    for each in ("wl-copy", "xclip", "pbcopy"):
        fake(tmp_path / "bin", each, "exit 0")
    found = clipboard.tool({**env, "PATH": str(tmp_path / "bin")}, platform)
    assert (found[0] if found else "") == name
    assert clipboard.tool({**env, "PATH": str(tmp_path / "none")}, platform) == ()
