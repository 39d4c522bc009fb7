"""Retrieval in chains: by words and by vectors, both kept on disk, in a workspace and in an exported file."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
from loopback import LoopbackServer, status
from places import TICKETS, git

import promptlab
from promptlab.errors import InvalidFile
from promptlab.lab import Lab, RunTable, retrieving
from promptlab.lab.loading import export
from promptlab.lab.retrieving import Passages
from promptlab.lab.values import RunRequest
from promptlab.runs.progress import Meter
from promptlab.runs.values import Budget, Ended
from promptlab.workspace.corpora import Corpora
from promptlab.workspace.folder import Workspace
from promptlab.workspace.values import Retrieve

CHAIN = """inputs = ["ticket"]
[[steps]]
name = "found"
retrieve = { corpus = "docs", query = "{{ ticket }}", k = 2, method = "embedding", model = "vectors" }
[[steps]]
name = "answer"
prompt = { messages = [{ role = "user", content = "Label with {{ passages }}: {{ ticket }}" }] }
inputs = { ticket = "{{ ticket }}", passages = "{{ found.text }}" }
"""
DOCS = {"a.md": "aaa aab", "b.md": "bbb abb", "c.md": "ccc bad", "d.md": "ddd cab"}


@pytest.fixture
def shop(folder: Path, server: LoopbackServer) -> Path:
    (folder / "docs").mkdir()
    for name, text in DOCS.items():
        (folder / "docs" / name).write_text(text)
    (folder / "prompts" / "help.toml").write_text(CHAIN)
    reword(folder, "logo", "band")  # the scripted vectors count the letters a to d, and every text needs one
    with (folder / "promptlab.toml").open("a") as file:
        file.write(f'[models.vectors]\nmodel = "vectors"\nbase_url = "{server.base_url}"\n')
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Look things up")
    return folder


def reword(folder: Path, old: str, new: str) -> None:
    path = folder / "evalsets" / "tickets.toml"
    path.write_text(path.read_text().replace(f"I like your {old}.", f"I like your {new}."))


async def run(folder: Path) -> RunTable:
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=("help",)))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    await lab.close()
    return table


def vector(text: str) -> list[float]:
    """What the scripted endpoint gives, at length 1."""
    counts = [text.count(one) for one in "abcd"]
    return [count / math.hypot(*counts) for count in counts]


def nearest(query: str, k: int) -> list[str]:
    cosines = {
        name: sum(x * y for x, y in zip(vector(query), vector(text), strict=True)) for name, text in DOCS.items()
    }
    return [f"docs/{name}" for name in sorted(DOCS, key=lambda name: -cosines[name])[:k]]


def embedded(server: LoopbackServer) -> list[str]:
    return [text for asked in server.asked if asked.path.endswith("/embeddings") for text in asked.body["input"]]


async def test_the_nearest_by_vectors_are_found_and_nothing_is_embedded_twice(
    shop: Path, server: LoopbackServer
) -> None:
    table = await run(shop)
    tickets = [text.replace("logo", "band") for text, _ in TICKETS.values()]
    assert sorted(embedded(server)) == sorted([*DOCS.values(), *tickets]), "each text once"
    assert sum(asked.path.endswith("/embeddings") for asked in server.asked) == 1, "and all of a wave together"
    for key, (ticket, _) in TICKETS.items():
        trace = table.trace("a", key)
        assert trace is not None
        passages = trace.steps[0].values["passages"]
        assert isinstance(passages, list)
        assert [one["source"] for one in passages] == nearest(ticket.replace("logo", "band"), 2)
        assert trace.steps[1].messages(0)[0].content.startswith(f"Label with {passages[0]['text']}\n\n")
    server.asked.clear()
    (shop / "docs" / "d.md").write_text("dad")
    reword(shop, "band", "card")
    await run(shop)
    assert sorted(embedded(server)) == ["I like your card.", "dad"], "what is new, whatever else is"


async def test_what_is_embedded_spends_from_the_limit_of_the_run(shop: Path, server: LoopbackServer) -> None:
    lab = Lab.open(shop)
    plan = lab.plan(RunRequest(subjects=("help",)))
    table = lab.table(plan)
    few = len(DOCS) + 1  # a token a text: what the one request for all of them takes is above it
    ended = [event async for event in lab.run(plan, table, budget=Budget(tokens=few))][-1]
    assert isinstance(ended, Ended)
    spent = len(DOCS) + len(plan.examples)
    assert (ended.state, ended.reason) == (
        "partial",
        f"Stopped by the limit of tokens, {few}: {spent} tokens used, 0 of {len(plan.examples)} cells done.",
    )
    assert sum(asked.path.endswith("/completions") for asked in server.asked) == 0
    ended = [event async for event in lab.run(plan, table)][-1]
    await lab.close()
    assert isinstance(ended, Ended)
    assert ended.state == "complete"
    assert len(embedded(server)) == spent, "what was embedded is kept"


async def test_another_embedding_model_makes_another_column(shop: Path) -> None:
    def column() -> tuple[str, str, str, str]:
        plan = Lab.open(shop).plan(RunRequest(subjects=("help",)))
        (variant,) = plan.variants
        return variant.content, variant.identity, plan.cells[0].key, plan.digest

    before, path = column(), shop / "promptlab.toml"
    path.write_text(path.read_text().replace('model = "vectors"', 'model = "vectors-2"'))
    content, *others = column()
    assert content == before[0], "the chain is the same version"
    assert all(new != old for new, old in zip(others, before[1:], strict=True))


async def test_what_cannot_be_embedded_fails_its_step(shop: Path, server: LoopbackServer) -> None:
    server.rule = lambda asked: status(400, "no") if asked.path.endswith("/embeddings") else None
    table = await run(shop)
    outcome = table.outcome("a", "t1")
    assert outcome is not None
    assert outcome.fault is not None
    assert outcome.fault.message.startswith("Step `found`: The query cannot be embedded: ")
    path = shop / "prompts" / "help.toml"
    for old, new, sentence in (
        (
            'model = "vectors"',
            'model = "vector"',
            "retrieve.model: There is no model “vector”. Did you mean `vectors`?",
        ),
        (', model = "vectors"', "", "The key `model` is missing. Add it: a model of promptlab.toml that embeds."),
        ('method = "embedding", ', "", '`model` is for `method = "embedding"`. Remove it.'),
    ):
        path.write_text(CHAIN.replace(old, new))
        with pytest.raises(InvalidFile) as found:
            Lab.open(shop).plan(RunRequest(subjects=("help",)))
        assert sentence in str(found.value)
        assert sentence in "".join(map(str, Lab.open(shop).check()))


def test_from_python_and_from_an_exported_file(shop: Path, server: LoopbackServer, tmp_path: Path) -> None:
    file = tmp_path / "alone" / "help.toml"
    file.parent.mkdir()
    file.write_bytes(export(Lab.open(shop), "help"))
    with promptlab.load("help", shop) as loaded:
        sent = loaded.render(ticket="bad cab")
        answer = loaded.run(ticket="bad cab")
    shutil.rmtree(shop)
    with promptlab.load(str(file)) as alone:
        assert alone.render(ticket="bad cab") == sent
        told = alone.run(ticket="bad cab")
        assert told.text == answer.text
        assert told.trace is not None
        assert answer.trace is not None
        assert told.trace.steps[0].values == answer.trace.steps[0].values
        assert alone.prompt.content == loaded.prompt.content


def test_an_index_of_words_is_kept_by_its_content(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieving, "_WORTH_KEEPING", 1)
    made: list[int] = []
    index_of = retrieving.index_of
    monkeypatch.setattr(retrieving, "index_of", lambda found: made.append(len(found)) or index_of(found))
    rule = Retrieve("docs", "", k=2)

    def find(query: str) -> list[object]:
        passages = Passages(Corpora(Workspace.open(shop)), Lab.open(shop).model, None, Meter(), tmp_path)
        return [one["source"] for one in passages.find(rule, query)]

    first = find("bad cab")
    assert first == ["docs/c.md", "docs/d.md"]
    assert find("bad cab") == first
    assert made == [4], "made once"
    (kept,) = (tmp_path / "indexes").iterdir()
    kept.write_bytes(b"damaged")
    assert find("bad cab") == first
    (shop / "docs" / "d.md").write_text("dad")
    assert find("bad cab") == ["docs/c.md"]
    assert made == [4, 4, 4]
    assert len(list((tmp_path / "indexes").iterdir())) == 2
