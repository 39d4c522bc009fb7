"""A workspace on disk: finding it, listing and loading what is in it, never leaving it."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from promptlab.errors import InvalidFile, NotFound, Problem, PromptlabError, StorageFault
from promptlab.workspace.evalsets import parse_evalset
from promptlab.workspace.names import CORPUS, SUFFIX, is_name
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.reviews import file_of, parse_reviews
from promptlab.workspace.settings import parse_settings
from promptlab.workspace.settings_values import Settings
from promptlab.workspace.toml import line_of, nearest, shown
from promptlab.workspace.values import EvalSet, Prompt

SETTINGS_FILE = "promptlab.toml"
PROMPTS = "prompts"
EVALSETS = "evalsets"


@dataclass(frozen=True)
class Workspace:
    """A folder with ``promptlab.toml``, ``prompts/`` and ``evalsets/``. Files are read when they are asked for.

    Attributes:
        root: The folder, absolute and without symbolic links.
    """

    root: Path
    settings: Settings

    @classmethod
    def find(cls, start: Path) -> Workspace:
        """The workspace that ``start`` is in: the nearest folder upwards that has a ``promptlab.toml``.

        Raises:
            NotFound: There is none, or ``start`` does not exist.
            InvalidFile: Its ``promptlab.toml`` is wrong.
        """
        try:
            here = start.resolve(strict=True)
            found = next((folder for folder in (here, *here.parents) if (folder / SETTINGS_FILE).is_file()), None)
        except (OSError, RuntimeError) as fault:  # RuntimeError: a loop of links
            reason = fault.strerror if isinstance(fault, OSError) else "links in a circle"
            raise NotFound(f"{shown(str(start), 200)} cannot be opened: {reason}.") from None
        if found is not None:
            return cls.open(found)
        raise NotFound(
            f"No {SETTINGS_FILE} in {shown(str(here), 200)} or a folder above it: this is no workspace. "
            "Run `promptlab init` to make one, or `promptlab demo` to see an example."
        )

    @classmethod
    def open(cls, root: Path) -> Workspace:
        """The workspace whose folder is ``root`` itself.

        Raises:
            NotFound: It has no ``promptlab.toml``.
            InvalidFile: Its ``promptlab.toml`` is wrong.
        """
        root = root.resolve()
        return cls(root, parse_settings(_read(root, SETTINGS_FILE), SETTINGS_FILE))

    def prompt_names(self) -> list[str]:
        """Names of all prompts, judges included, sorted. Hidden files are no prompts."""
        return sorted(name for name in _listed(self.root / PROMPTS) if is_name(name))

    def evalset_names(self) -> list[str]:
        """Names of all eval sets, sorted."""
        return sorted(name for name in _listed(self.root / EVALSETS) if is_name(name))

    def prompt_path(self, name: str) -> Path:
        """Where the prompt's file is, or would be. Raises NotFound for a name that can be none."""
        return self.locate(_file(PROMPTS, name, "prompt"))

    def evalset_path(self, name: str) -> Path:
        """Where the eval set's file is, or would be. Raises NotFound for a name that can be none."""
        return self.locate(_file(EVALSETS, name, "eval set"))

    def load_prompt(self, name: str) -> Prompt:
        """One prompt or chain, read from disk. What a chain uses of git stays open.

        Raises:
            NotFound: There is no such prompt; the sentence has the nearest name.
            InvalidFile: Its file is wrong.
        """
        source = _file(PROMPTS, name, "prompt")
        data = self._read_named(source, name, "prompt", self.prompt_names)
        return parse_prompt(data, name, source, self.working_copy)

    def working_copy(self, name: str) -> bytes | None:
        """What a chain uses: the bytes of a prompt's file, the digest of a corpus; None for what only git knows.

        Raises:
            NotFound: There is no such prompt.
        """
        if name.startswith(CORPUS):
            from promptlab.workspace.corpora import read_corpus

            return read_corpus(self, name.removeprefix(CORPUS)).digest.encode()
        if "@" in name:
            return None
        return self._read_named(_file(PROMPTS, name, "prompt"), name, "prompt", self.prompt_names)

    def load_evalset(self, name: str) -> EvalSet:
        """One eval set with its examples, read from disk.

        Raises:
            NotFound: There is no such eval set; the sentence has the nearest name.
            InvalidFile: Its file, or the JSONL that it names, is wrong.
        """
        source = _file(EVALSETS, name, "eval set")
        data = self._read_named(source, name, "eval set", self.evalset_names)
        folder = posixpath.dirname(source)
        return parse_evalset(data, name, source, lambda relative: self.read(posixpath.join(folder, relative)))

    def read(self, relative: str) -> bytes:
        """The bytes of a file of the workspace.

        Raises:
            NotFound: There is no such file, or the path leads out of the workspace.
            StorageFault: It cannot be read.
        """
        return _read(self.root, relative)

    def locate(self, relative: str) -> Path:
        """The absolute path of ``relative``, with symbolic links followed; the file need not exist.

        Raises:
            NotFound: It leads out of the workspace.
        """
        return _locate(self.root, relative)

    def _read_named(self, source: str, name: str, what: str, names: Callable[[], list[str]]) -> bytes:
        try:
            return self.read(source)
        except NotFound:
            known = names()
            if name in known:
                raise  # it is there, but leads out of the workspace, or nowhere
            raise _no_such(name, what, known) from None


def check(workspace: Workspace) -> list[Problem]:
    """Load everything in a workspace; all that is wrong with its files, in the order of the files."""
    problems: list[Problem] = []
    prompts: list[Prompt] = []
    for folder in (PROMPTS, EVALSETS):
        for name in sorted(_listed(workspace.root / folder)):
            if not is_name(name):
                message = "The file's name cannot be used: promptlab passes over this file."
                file = f"{folder}/{shown(name, 200)}{SUFFIX}"
                problems.append(Problem(message, file, hint="Rename it: letters, digits, - and _ are safe."))
    for name in workspace.prompt_names():
        try:
            prompts.append(workspace.load_prompt(name))
        except PromptlabError as fault:
            problems += _problems(fault, _file(PROMPTS, name, "prompt"))
    for name in workspace.evalset_names():
        try:
            workspace.load_evalset(name)
        except PromptlabError as fault:
            problems += _problems(fault, _file(EVALSETS, name, "eval set"))
        try:
            parse_reviews(workspace.read(file_of(name)), file_of(name))
        except NotFound:
            pass  # nobody has reviewed its answers
        except PromptlabError as fault:
            problems += _problems(fault, file_of(name))
    return problems + _shared_ids(prompts) + _usual_evalsets(workspace, prompts) + _defaults(workspace, prompts)


def _problems(fault: PromptlabError, file: str) -> list[Problem]:
    return list(fault.problems) if isinstance(fault, InvalidFile) else [Problem(str(fault), file)]


def _shared_ids(prompts: list[Prompt]) -> list[Problem]:
    first: dict[str, Prompt] = {}
    problems: list[Problem] = []
    for prompt in prompts:
        if prompt.id is None:
            continue
        other = first.setdefault(prompt.id, prompt)
        if other is not prompt:
            message = f"The id `{shown(prompt.id)}` is the id of {other.source} too."
            problems.append(Problem(message, prompt.source, key="id", hint="Give each prompt its own id."))
    return problems


def _usual_evalsets(workspace: Workspace, prompts: list[Prompt]) -> list[Problem]:
    names = workspace.evalset_names()
    return [
        Problem(str(_no_such(prompt.evalset, "eval set", names)), prompt.source, key="evalset")
        for prompt in prompts
        if prompt.evalset is not None and prompt.evalset not in names
    ]


def _defaults(workspace: Workspace, prompts: list[Prompt]) -> list[Problem]:
    defaults = workspace.settings.defaults
    problems: list[Problem] = []
    names = workspace.evalset_names()
    if defaults.evalset is not None and defaults.evalset not in names:
        message = str(_no_such(defaults.evalset, "eval set", names))
        problems.append(Problem(message, SETTINGS_FILE, _line(workspace, "evalset"), "defaults.evalset"))
    names = workspace.prompt_names()
    if defaults.prompt is not None and defaults.prompt not in names:
        message = str(_no_such(defaults.prompt, "prompt", names))
        problems.append(Problem(message, SETTINGS_FILE, _line(workspace, "prompt"), "defaults.prompt"))
    if defaults.judge is not None and defaults.judge not in names:
        message = str(_no_such(defaults.judge, "prompt", names))
        problems.append(Problem(message, SETTINGS_FILE, _line(workspace, "judge"), "defaults.judge"))
    elif any(prompt.name == defaults.judge and prompt.judge is None for prompt in prompts):
        message = f"The prompt `{defaults.judge}` is no judge: it has no `[judge]` table."
        problems.append(Problem(message, SETTINGS_FILE, _line(workspace, "judge"), "defaults.judge"))
    return problems


def _line(workspace: Workspace, key: str) -> int:
    return line_of(workspace.read(SETTINGS_FILE), ("defaults", key))


def _no_such(name: str, what: str, names: list[str]) -> NotFound:
    near = nearest(name, names)
    if near is not None:
        hint = f"Did you mean `{near}`?"
    else:
        hint = f"There are: {', '.join(names[:10])}{', …' if len(names) > 10 else ''}." if names else "There is none."
    return NotFound(f"There is no {what} `{shown(name)}`. {hint}")


def _file(folder: str, name: str, what: str) -> str:
    if not is_name(name):
        raise NotFound(f"`{shown(name)}` cannot name {'an' if what[0] == 'e' else 'a'} {what}.")
    return f"{folder}/{name}{SUFFIX}"


def _listed(folder: Path) -> list[str]:
    """Paths of the TOML files below a folder, without the suffix. Linked folders and hidden ones are not entered."""
    names: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        prefix = Path(place).relative_to(folder).as_posix()
        for file in files:
            if file.endswith(SUFFIX) and not file.startswith("."):
                names.append(posixpath.normpath(posixpath.join(prefix, file.removesuffix(SUFFIX))))
    return names


def _locate(root: Path, relative: str) -> Path:
    try:
        path = (root / relative).resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL in the name
        raise NotFound(f"{shown(relative, 200)} is no path that can be followed.") from None
    if not path.is_relative_to(root):
        raise NotFound(
            f"{shown(relative, 200)} leads out of the workspace and is not opened. Put a copy of the file inside."
        )
    return path


def _read(root: Path, relative: str) -> bytes:
    path = _locate(root, relative)
    try:
        # Asked before opening: opening a pipe or a device would wait, or never end.
        if not path.is_file():
            raise NotFound(f"There is no file {shown(relative, 200)} in the workspace.")
        return path.read_bytes()
    except OSError as fault:
        raise StorageFault(f"{shown(relative, 200)} cannot be read: {fault.strerror}.") from None
