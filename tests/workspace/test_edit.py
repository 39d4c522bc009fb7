"""Editing in place keeps every other byte; saving loses nobody's edit."""

from __future__ import annotations

import math
import os
import shutil
import stat
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from promptlab.errors import StorageFault
from promptlab.workspace.edit import CannotEdit, FileChanged, set_value, stamp, write_if_unchanged

PROMPT = """\
# Routes tickets.
description = "Route"   # shown in the tree

[params]
temperature = 0.0       # greedy
stop = ["a", "b"] # list

# The rules.
[[messages]]
role = "system"
content = '''
You route.
'''

[[messages]]
role = "user" # last
content = "{{ ticket }}"
extra = { a = 1, b = { c = "x" } }"""


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        (("params", "temperature"), 0.7, "0.0 ", "0.7 "),
        (("params", "temperature"), 1, "0.0 ", "1 "),
        (("params", "temperature"), True, "0.0 ", "true "),
        (("params", "temperature"), math.nan, "0.0 ", "nan "),
        (("params", "stop"), ("x", 'say "y"'), '["a", "b"]', '["x", \'say "y"\']'),
        (("params", "stop", 1), "c", '"a", "b"', '"a", "c"'),
        (("messages", 1, "extra", "b", "c"), date(2026, 1, 2), 'c = "x"', "c = 2026-01-02"),
        (("messages", 1, "extra", "b"), {"c d": "x", "e": {}}, '{ c = "x" }', '{ "c d" = "x", e = {} }'),
        (("messages", 1, "extra"), [], '{ a = 1, b = { c = "x" } }', "[]"),
        (("messages", 1, "content"), "a\nb", '"{{ ticket }}"', '"""\na\nb"""'),
        (("messages", 1, "content"), 'a\n"b" \\d', '"{{ ticket }}"', "'''\na\n\"b\" \\d'''"),
        (("messages", 1, "content"), 'it\'s "x"', '"{{ ticket }}"', '"it\'s \\"x\\""'),
        (("messages", 1, "content"), "a\x1bb\tc", '"{{ ticket }}"', '"a\\u001Bb\tc"'),
        (("messages", 1, "content"), "a\rb", '"{{ ticket }}"', '"a\\u000Db"'),
        (("messages", 1, "content"), "a\r\nb", '"{{ ticket }}"', '"""\na\nb"""'),
        (("messages", 1, "content"), 'a\n\'\'\'""""', '"{{ ticket }}"', '"""\na\n\'\'\'""\\"\\""""'),
        (("messages", 0, "content"), "one", "'''\nYou route.\n'''", "'''\none'''"),
        (("messages", 0, "content"), "it's'", "'''\nYou route.\n'''", '"""\nit\'s\'"""'),
        (("messages", 0, "content"), "\n\nx", "'''\nYou route.\n'''", "'''\n\n\nx'''"),
        (("description",), "", '"Route"', '""'),
    ],
)
@pytest.mark.parametrize("form", ["lf", "crlf", "bom"])
def test_one_value_changes_and_nothing_else(
    path: tuple[str | int, ...], value: object, old: str, new: str, form: str
) -> None:
    def formed(text: str) -> bytes:
        return {"lf": text, "crlf": text.replace("\n", "\r\n"), "bom": "\ufeff" + text}[form].encode()

    assert PROMPT.count(old) == 1
    assert set_value(formed(PROMPT), path, value) == formed(PROMPT.replace(old, new))


def test_the_style_of_a_string_in_triple_quotes_is_kept() -> None:
    data = b'a = """You route."""\n'
    assert set_value(data, ("a",), "You\nroute it.") == b'a = """You\nroute it."""\n'
    assert set_value(data, ("a",), "\nYou") == b'a = """\n\nYou"""\n'


@pytest.mark.parametrize(
    ("data", "path", "value", "sentence"),
    [
        (b"a = 1\n", ("b",), 1, "`b` is not written as one value in this file. Change it in your editor ($EDITOR)."),
        (b"[a]\nb = 1\n", ("a",), 1, "`a` is not written as one value in this file."),
        (b"[[a]]\nb = 1\n", ("a", 0), 1, "`a[0]` is not written as one value in this file."),
        (b"a.b = 1\n", ("a",), 1, "`a` is not written as one value in this file."),
        (b"a = 1\n", ("a", 0), 1, "`a[0]` is not written as one value in this file."),
        (b"a = \n", ("a",), 1, "The file cannot be edited in place. :1: This is not valid TOML at column 5"),
        (b"a = 1\n", ("a",), None, "A value of type NoneType cannot be written to a TOML file."),
        (b"a = 1\n", ("a",), {"b": [object()]}, "A value of type object cannot be written"),
        (b"a = 1\n", ("a",), "\ud800", "The text holds half of a surrogate pair"),
    ],
)
def test_what_cannot_be_edited_is_refused(
    data: bytes, path: tuple[str | int, ...], value: object, sentence: str
) -> None:
    with pytest.raises(CannotEdit) as caught:
        set_value(data, path, value)
    assert sentence in str(caught.value)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.text("'\"\\\n\r\t# ]}=a", max_size=12)
values = st.recursive(
    texts | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(texts, values, min_size=1, max_size=4), st.data())
def test_any_value_of_any_file_is_replaced_or_refused(content: dict[str, object], data: st.DataObject) -> None:
    before = tomli_w.dumps(content).encode()
    key = data.draw(st.sampled_from(sorted(content)))
    value = data.draw(values)
    try:
        after = set_value(before, (key,), value)
    except CannotEdit:
        assert isinstance(content[key], dict | list)  # written below a header of its own
        return
    expected = tomllib.loads(tomli_w.dumps({**content, key: value}).replace("\r\n", "\n"))
    assert list(tomllib.loads(after.decode())) == list(tomllib.loads(before.decode()))
    found = tomllib.loads(after.decode())
    assert {k: v for k, v in found.items() if k != key} == {
        k: v for k, v in tomllib.loads(before.decode()).items() if k != key
    }
    assert found[key] == _lf(value) or expected[key] == found[key]


def _lf(value: object) -> object:
    match value:
        case str():
            return value.replace("\r\n", "\n")
        case list():
            return [_lf(item) for item in value]
        case dict():
            return {key: _lf(item) for key, item in value.items()}
        case _:
            return value


def test_a_new_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "prompts" / "judges" / "a.toml"
    write_if_unchanged(path, b"a", None)
    assert path.read_bytes() == b"a"
    assert os.listdir(path.parent) == ["a.toml"]


def test_saving_keeps_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_if_unchanged(path, b"new", stamp(b"old"))
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("on_disk", "expected", "sentence"),
    [
        (b"theirs", stamp(b"old"), "was changed since it was read, and nothing was written."),
        (b"theirs", None, "was changed since it was read, and nothing was written."),
        (None, stamp(b"old"), "was deleted since it was read, and nothing was written."),
    ],
)
def test_a_conflict_keeps_both_texts(
    tmp_path: Path, on_disk: bytes | None, expected: str | None, sentence: str
) -> None:
    path = tmp_path / "a.toml"
    if on_disk is not None:
        path.write_bytes(on_disk)
    with pytest.raises(FileChanged) as caught:
        write_if_unchanged(path, b"mine", expected)
    assert (caught.value.mine, caught.value.theirs) == (b"mine", on_disk)
    assert sentence in str(caught.value)
    assert os.listdir(tmp_path) == (["a.toml"] if on_disk is not None else [])
    if on_disk is not None:
        assert path.read_bytes() == on_disk


def test_a_symbolic_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link.toml").symlink_to("target")
    with pytest.raises(StorageFault, match=r"link\.toml is a symbolic link and is not written through\."):
        write_if_unchanged(tmp_path / "link.toml", b"new", stamp(b"old"))
    assert (tmp_path / "target").read_bytes() == b"old"


def test_a_file_in_place_of_the_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "prompts").write_bytes(b"")
    with pytest.raises(StorageFault, match=r"prompts/a\.toml is not written: "):
        write_if_unchanged(tmp_path / "prompts" / "a.toml", b"x", None)


SAVE = """
import sys
from pathlib import Path
from promptlab.errors import StorageFault
from promptlab.workspace.edit import stamp, write_if_unchanged
{before}
path = Path(sys.argv[1])
old = path.read_bytes()
try:
    write_if_unchanged(path, b"x" * 200_000, stamp(old))
except StorageFault as fault:
    print(fault)
assert path.read_bytes() == old
print(*sorted(entry.name for entry in path.parent.iterdir()))
"""


def saved(path: Path, before: str = "", mount: str = "") -> list[str]:
    command = [sys.executable, "-c", SAVE.format(before=before), str(path)]
    if mount:  # in a mount namespace of its own: nothing of it is left over
        unshare = shutil.which("unshare")
        probe = [unshare or "false", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(path.parent)]
        if subprocess.run(probe, capture_output=True, check=False).returncode:
            pytest.skip("this machine lets no test mount a file system")
        command = [str(unshare), "-rm", "sh", "-ec", mount + '; exec "$@"', str(path.parent), *command]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_a_full_disk_is_a_sentence_and_the_file_is_whole(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=64k tmpfs "$0"; echo old > "$0/a.toml"'
    assert saved(tmp_path / "a.toml", mount=mount) == [
        f"{tmp_path}/a.toml is not written: no space is left on the disk. Free some, then save again.",
        "a.toml",
    ]


def test_a_read_only_file_system_is_a_sentence(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs tmpfs "$0"; echo old > "$0/a.toml"; mount -o remount,ro "$0"'
    assert saved(tmp_path / "a.toml", mount=mount) == [
        f"{tmp_path}/a.toml is not written: the file system is read-only. "
        "Work on a copy of the workspace in another folder.",
        "a.toml",
    ]


def test_a_folder_without_permission_is_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "a.toml").write_bytes(b"old")
    folder.chmod(0o555)
    for parent in (tmp_path, *tmp_path.parents[:-2]):  # so that the other user below can walk to it
        parent.chmod(parent.stat().st_mode | 0o055)
    drop = "import os\nif os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)"
    try:
        lines = saved(folder / "a.toml", before=drop)
    finally:
        folder.chmod(0o755)
    assert lines == [
        f"{folder}/a.toml is not written: permission denied. "
        "Allow writing to its folder, or work on a copy of the workspace.",
        "a.toml",
    ]


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"old")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
    assert saved(tmp_path / "a.toml", before=limit) == [
        f"{tmp_path}/a.toml is not written: file too large.",
        "a.toml",
    ]
