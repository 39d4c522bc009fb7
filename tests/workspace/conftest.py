"""A small workspace on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

SETTINGS = '[models.mini]\ngguf = "demo:mini"\n[defaults]\nmodels = ["mini"]\nevalset = "support"\n'
PROMPT = '[[messages]]\nrole = "user"\ncontent = "{{ ticket }}"\n'
EVALSET = '[[metrics]]\nid = "exact"\n[[examples]]\nid = "a"\nexpected = "billing"\n[examples.vars]\nticket = "x"\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a valid workspace with two prompts and one eval set."""
    folder = tmp_path / "shop"
    (folder / "prompts" / "judges").mkdir(parents=True)
    (folder / "evalsets").mkdir()
    (folder / "promptlab.toml").write_text(SETTINGS)
    (folder / "prompts" / "triage.toml").write_text(PROMPT)
    (folder / "prompts" / "judges" / "helpful.toml").write_text("[judge]\nscale = [1, 5]\n" + PROMPT)
    (folder / "evalsets" / "support.toml").write_text(EVALSET)
    return folder
