from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest
from gguf_support import NANO

from promptlab.errors import ModelFault
from promptlab.models.gguf.files import check_file, file_identity


def test_the_identity_is_the_digest_of_the_bytes() -> None:
    assert file_identity(NANO) == "gguf:" + hashlib.sha256(NANO.read_bytes()).hexdigest()[:16]


def test_the_identity_follows_the_content(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF one")
    before = file_identity(file)
    file.write_bytes(b"GGUF three")
    assert file_identity(file) != before


def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF" + os.urandom(100))
    digested: list[str] = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *args: digested.append("once") or digest(*args))
    threads = [threading.Thread(target=file_identity, args=(file,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digested == ["once"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no such file. Correct the path of the model, or put the file there."),
        (b"", "this file is empty. Download or copy the model again."),
        (
            b"PK\x03\x04",
            "this is not a GGUF file (it does not begin with “GGUF”). Download the model in GGUF format.",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    file = tmp_path / "m.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelFault) as caught:
        file_identity(file)
    assert str(caught.value) == f"{file}: {sentence}"


def test_a_folder_is_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFault, match="this is a folder, not a GGUF file"):
        check_file(tmp_path)


def test_a_path_through_a_file_is_said_to_be_unreadable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelFault, match=r"cannot be read \(Not a directory\)"):
        check_file(tmp_path / "file" / "m.gguf")


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF")
    file.chmod(0)
    if os.access(file, os.R_OK):  # root may read everything: the system's refusal cannot be had here

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ModelFault, match="this file may not be read"):
        check_file(file)
