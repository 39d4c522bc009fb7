"""A new workspace."""

from __future__ import annotations

from pathlib import Path

from promptlab.errors import HistoryFault, UsageFault
from promptlab.history.repository import Repository
from promptlab.workspace import edit, starters

PROMPT = "answer"
EVALSET = "questions"


def create(target: Path) -> list[str]:
    """Lay down promptlab.toml, a first prompt and a first eval set; a git repository where there is none.

    Gives what was created, relative to ``target``. Files that are there stay as they are.

    Raises:
        UsageFault: ``target`` is a workspace already.
        StorageFault: A file cannot be written.
    """
    if (target / "promptlab.toml").exists():
        raise UsageFault(f"{target} is a workspace already. Open it with `promptlab {target}`.")
    texts = {
        "promptlab.toml": starters.new_settings_text(),
        f"prompts/{PROMPT}.toml": starters.new_prompt_text(PROMPT),
        f"evalsets/{EVALSET}.toml": starters.new_evalset_text(EVALSET),
    }
    created = [path for path in texts if not (target / path).exists()]
    for path in created:
        edit.write_if_unchanged(target / path, texts[path].encode(), None)
    try:
        Repository.open(target)
    except HistoryFault:
        Repository.init(target)
        created.append("a git repository")
    return created
