"""Small real workspaces for the tests of the lab, the command line and the screens."""

from __future__ import annotations

import subprocess
from pathlib import Path

LABELS = ("billing", "shipping", "other")
TICKETS = {
    "t1": ("I was charged twice.", "billing"),
    "t2": ("Where is my parcel?", "shipping"),
    "t3": ("My invoice is wrong.", "billing"),
    "t4": ("The package is late.", "shipping"),
    "t5": ("Do you have a job for me?", "other"),
    "t6": ("Refund me, please.", "billing"),
    "t7": ("The courier lost it.", "shipping"),
    "t8": ("I like your logo.", "other"),
}

FIRST = """description = "Route a ticket"

[[messages]]
role = "user"
content = "What is this about? {{ ticket }}"
"""

SECOND = """description = "Route a ticket"

[[messages]]
role = "user"
content = "Label this as billing, shipping or other: {{ ticket }}"
"""


def route(text: str) -> str:
    """What the scripted endpoint answers: a sentence to the first wording, the right label to the second."""
    expected = next((label for ticket, label in TICKETS.values() if text.endswith(ticket)), "other")
    return expected if text.startswith("Label") else f"It is about {expected}."


def git(folder: Path, *args: str) -> str:
    """What the person's own git prints."""
    done = subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def evalset_text() -> str:
    examples = "".join(
        f'[[examples]]\nid = "{key}"\nvars = {{ ticket = "{ticket}" }}\nexpected = "{label}"\ntags = ["{label}"]\n'
        for key, (ticket, label) in TICKETS.items()
    )
    metrics = '[[metrics]]\nid = "exact"\n[[metrics]]\nid = "contains"\n[[metrics]]\nid = "latency"\n'
    return f'description = "Eight tickets"\n{metrics}[decision]\nprimary = "exact"\n{examples}'


def settings_text(base_url: str) -> str:
    return (
        f'[models.api]\nmodel = "scripted"\nbase_url = "{base_url}"\ntimeout = 5.0\n'
        "price = { input = 1.0, output = 2.0 }\n"
        '[models.nano]\ngguf = "demo:nano"\n'
        '[defaults]\nmodels = ["api"]\nevalset = "tickets"\n'
    )


def workspace(folder: Path, base_url: str = "http://127.0.0.1:9/v1") -> Path:
    """A committed workspace: two versions of ``triage``, an eval set of eight tickets, an endpoint and a GGUF."""
    (folder / "prompts").mkdir(parents=True)
    (folder / "evalsets").mkdir()
    (folder / "promptlab.toml").write_text(settings_text(base_url))
    (folder / "evalsets" / "tickets.toml").write_text(evalset_text())
    (folder / "prompts" / "triage.toml").write_text(FIRST)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Ask what it is about")
    (folder / "prompts" / "triage.toml").write_text(SECOND)
    git(folder, "commit", "-q", "-am", "Name the labels")
    return folder


def fingerprint(folder: Path) -> dict[str, object]:
    """Everything of the person's that a saved run must not touch."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }
    return {
        "files": files,
        "index": (folder / ".git" / "index").read_bytes(),
        "head": (folder / ".git" / "HEAD").read_bytes(),
        "branches": git(folder, "for-each-ref", "refs/heads"),
        "status": git(folder, "status", "--porcelain=v2"),
    }
