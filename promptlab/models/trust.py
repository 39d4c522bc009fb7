"""Which addresses may receive a key, and which code of a workspace may run: what the person allowed.

It is remembered outside every workspace, one small file per answer, named by the hash of all that was agreed to: the
workspace, the address and the variable that holds the key, or the file and its content. Whoever changes one of them
asks again.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from promptlab.errors import StorageFault
from promptlab.models.addresses import address_of, needs_trust
from promptlab.workspace.settings_values import ModelEntry


def state_folder() -> Path:
    """The folder of what promptlab remembers: ``PROMPTLAB_STATE``, or the user's state folder."""
    if named := os.environ.get("PROMPTLAB_STATE"):
        return Path(named)
    from platformdirs import user_state_path

    return user_state_path("promptlab", appauthor=False)


def is_trusted(root: Path, entry: ModelEntry) -> bool:
    """True when the entry needs trust and the person gave it: this workspace, this address, this key variable."""
    return needs_trust(entry) and _record(root, entry).is_file()


def trust(root: Path, entry: ModelEntry) -> None:
    """Remember that the person allows this entry to send its key to its address.

    Raises:
        ModelFault: When its base_url is no address.
        StorageFault: When it cannot be written.
    """
    _remember(_record(root, entry), _agreed(root, entry))


def is_code_trusted(root: Path, file: str, data: bytes) -> bool:
    """True when the person allowed this workspace to run this file with exactly this content."""
    return _code_record(root, file, data).is_file()


def trust_code(root: Path, file: str, data: bytes) -> None:
    """Remember that the person allows this workspace to run this file as it is now.

    Raises:
        StorageFault: When it cannot be written.
    """
    _remember(_code_record(root, file, data), _agreed_code(root, file, data))


def _remember(record: Path, agreed: tuple[str, ...]) -> None:
    try:
        record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        record.write_text("\n".join(agreed) + "\n", encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise StorageFault(
            f"{record}: the answer cannot be remembered ({reason}). "
            "Make the folder writable, or set PROMPTLAB_STATE to another one."
        ) from None


def trust_problem(entry: ModelEntry) -> str:
    """The sentence that asks for trust."""
    return (
        f"{entry.name} would send the key in {entry.api_key_env} to {address_of(entry).shown}, "
        "which this workspace chose. Run `promptlab trust` if you know that address."
    )


def _agreed(root: Path, entry: ModelEntry) -> tuple[str, str, str]:
    return str(root.resolve()), address_of(entry).url, entry.api_key_env or ""


def _record(root: Path, entry: ModelEntry) -> Path:
    name = hashlib.sha256("\0".join(_agreed(root, entry)).encode("utf-8", "surrogateescape")).hexdigest()
    return state_folder() / "trusted-endpoints" / name


def _agreed_code(root: Path, file: str, data: bytes) -> tuple[str, str, str]:
    return str(root.resolve()), file, hashlib.sha256(data).hexdigest()


def _code_record(root: Path, file: str, data: bytes) -> Path:
    name = hashlib.sha256("\0".join(_agreed_code(root, file, data)).encode("utf-8", "surrogateescape")).hexdigest()
    return state_folder() / "trusted-code" / name
