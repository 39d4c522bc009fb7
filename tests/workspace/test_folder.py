"""Finding, listing and loading a workspace, and never leaving it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from promptlab.errors import InvalidFile, NotFound, StorageFault
from promptlab.workspace.folder import Workspace, check


def test_a_workspace_is_found_from_any_place_in_it(root: Path) -> None:
    for start in (root, root / "prompts" / "judges", root / "prompts" / "triage.toml"):
        assert Workspace.find(start).root == root.resolve()


def test_no_workspace_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        Workspace.find(tmp_path)
    assert str(caught.value) == (
        f"No promptlab.toml in {tmp_path.resolve()} or a folder above it: this is no workspace. "
        "Run `promptlab init` to make one, or `promptlab demo` to see an example."
    )
    with pytest.raises(NotFound, match=r"/nowhere cannot be opened: No such file or directory\.$"):
        Workspace.find(tmp_path / "nowhere")


def test_a_circle_of_links_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(NotFound, match=r"/a cannot be opened: "):
        Workspace.find(tmp_path / "a")


def test_names_are_sorted_and_hidden_files_are_none(root: Path) -> None:
    (root / "prompts" / ".draft.toml").write_text("")
    (root / "prompts" / ".git").mkdir()
    (root / "prompts" / ".git" / "x.toml").write_text("")
    (root / "prompts" / "notes.md").write_text("")
    workspace = Workspace.find(root)
    assert workspace.prompt_names() == ["judges/helpful", "triage"]
    assert workspace.evalset_names() == ["support"]
    assert workspace.load_prompt("judges/helpful").judge is not None
    assert workspace.load_evalset("support").examples[0].vars == {"ticket": "x"}
    assert workspace.prompt_path("triage") == root / "prompts" / "triage.toml"
    assert workspace.evalset_path("new") == root / "evalsets" / "new.toml"


def test_no_prompts_is_an_empty_list(tmp_path: Path) -> None:
    (tmp_path / "promptlab.toml").write_text("")
    workspace = Workspace.find(tmp_path)
    assert workspace.prompt_names() == []
    assert workspace.evalset_names() == []
    assert check(workspace) == []
    with pytest.raises(NotFound, match=r"^There is no prompt `triage`\. There is none\.$"):
        workspace.load_prompt("triage")


def test_an_unknown_name_has_the_nearest_one(root: Path) -> None:
    workspace = Workspace.find(root)
    with pytest.raises(NotFound, match=r"^There is no prompt `triag`\. Did you mean `triage`\?$"):
        workspace.load_prompt("triag")
    with pytest.raises(NotFound, match=r"^There is no eval set `zzz`\. There are: support\.$"):
        workspace.load_evalset("zzz")


@pytest.mark.parametrize(
    "name", ["", "../x", "/etc/passwd", ".x", "a//b", "a\\b", "-x", "a@v1", "a\x1b", "a b", "a.lock"]
)
def test_what_cannot_be_a_name(root: Path, name: str) -> None:
    workspace = Workspace.find(root)
    for call in (workspace.load_prompt, workspace.prompt_path):
        with pytest.raises(NotFound, match="cannot name a prompt") as caught:
            call(name)
        assert "\x1b" not in str(caught.value)
    with pytest.raises(NotFound, match="cannot name an eval set"):
        workspace.load_evalset(name)


def test_reading_never_leaves_the_root(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.toml").write_text("password = 1")
    (root / "prompts" / "out.toml").symlink_to(tmp_path / "secret.toml")
    (root / "prompts" / "in.toml").symlink_to("triage.toml")
    (root / "prompts" / "loop.toml").symlink_to("loop.toml")
    (root / "away").symlink_to(tmp_path)
    workspace = Workspace.find(root)
    assert workspace.load_prompt("in").messages[0].content == "{{ ticket }}"
    sentence = r"leads out of the workspace and is not opened\. Put a copy of the file inside\.$"
    with pytest.raises(NotFound, match=sentence):
        workspace.load_prompt("out")
    for relative in ("../secret.toml", "away/secret.toml", str(tmp_path / "secret.toml")):
        with pytest.raises(NotFound, match=sentence):
            workspace.read(relative)
    with pytest.raises(NotFound, match=r"is no path that can be followed|There is no file"):
        workspace.load_prompt("loop")
    with pytest.raises(NotFound, match="is no path that can be followed"):
        workspace.read("a\0b")


def test_an_eval_set_cannot_name_a_file_outside(root: Path, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"id": "a"}\n')
    (root / "evalsets" / "s.toml").write_text('examples = "../../x.jsonl"\n')
    with pytest.raises(InvalidFile, match=r"^evalsets/s.toml:1: examples: The file `../../x.jsonl` cannot be read: "):
        Workspace.find(root).load_evalset("s")


def test_a_pipe_is_not_opened(root: Path) -> None:
    os.mkfifo(root / "prompts" / "pipe.toml")
    workspace = Workspace.find(root)
    with pytest.raises(NotFound, match=r"There is no file prompts/pipe\.toml in the workspace\."):
        workspace.load_prompt("pipe")
    with pytest.raises(NotFound, match=r"There is no file prompts/pipe\.toml in the workspace\."):
        workspace.read("prompts/pipe.toml")


def test_a_file_that_cannot_be_read_is_a_sentence(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)  # as root, no mode keeps this test from reading
    with pytest.raises(StorageFault, match=r"^promptlab.toml cannot be read: Permission denied\.$"):
        Workspace.find(root)


def test_check_says_everything_that_is_wrong(root: Path) -> None:
    (root / "promptlab.toml").write_text('[defaults]\nevalset = "suport"\njudge = "triage"\n')
    (root / "prompts" / "a.toml").write_text("x = 1\n")
    (root / "prompts" / "b.toml").write_text('id = "7"\n[[messages]]\nrole = "user"\ncontent = ""\n')
    (root / "prompts" / "c.toml").write_text('id = "7"\n[[messages]]\nrole = "user"\ncontent = ""\n')
    (root / "prompts" / "gone.toml").symlink_to("nothing.toml")
    (root / "prompts" / "a@b.toml").write_text("")
    (root / "evalsets" / "bad.toml").write_text("examples = 1\n")
    assert [str(problem) for problem in check(Workspace.find(root))] == [
        "prompts/a@b.toml: The file's name cannot be used: promptlab passes over this file. Rename it: letters, "
        "digits, - and _ are safe.",
        "prompts/a.toml: The key `messages` is missing. Add it.",
        "prompts/a.toml:1: x: Unknown key `x`. "
        "Known keys: description, owner, labels, evalset, notes, export, id, params, "
        "output, "
        "judge, messages.",
        "prompts/gone.toml: There is no file prompts/gone.toml in the workspace.",
        "evalsets/bad.toml:1: examples: Expected `[[examples]]` tables, or the name of a file such as "
        '"cases.jsonl", got 1. Add at least one example.',
        "prompts/c.toml: id: The id `7` is the id of prompts/b.toml too. Give each prompt its own id.",
        "promptlab.toml:2: defaults.evalset: There is no eval set `suport`. Did you mean `support`?",
        "promptlab.toml:3: defaults.judge: The prompt `triage` is no judge: it has no `[judge]` table.",
    ]
    (root / "promptlab.toml").write_text('[defaults]\njudge = "judges/helpfull"\n')
    assert "defaults.judge: There is no prompt `judges/helpfull`. Did you mean `judges/helpful`?" in str(
        check(Workspace.find(root))[-1]
    )
