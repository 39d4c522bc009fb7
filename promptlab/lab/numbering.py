"""Version numbers that a run was made under, where they belong to other texts today."""

from __future__ import annotations

from promptlab.lab.reading import Reader
from promptlab.lab.table import RunTable


def renumbered(lab: Reader, run: RunTable) -> tuple[str, ...]:
    """A sentence for each column whose number is another one today, as it is after a rebase or a squash.

    A run keeps the numbers of its day; what it is filed under is the content, which no rebase changes.
    """
    found: list[str] = []
    for prompt in dict.fromkeys(variant.prompt for variant in run.variants):
        today = {version.content: version.label for version in lab.versions(prompt) if version.number}
        for variant in run.variants:
            now = today.get(variant.content, "")
            if variant.prompt != prompt or variant.version == "*" or now == variant.version:
                continue
            is_now = f"is {prompt}@{now} now" if now else "is in this branch's history no more"
            found.append(f"{variant.column}: what was {prompt}@{variant.version} then {is_now} ({variant.content}).")
    return tuple(found)
