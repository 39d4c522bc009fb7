"""Corpora: what is read, how it is cut, and that BM25 ranks as its formula says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.errors import InvalidFile, NotFound
from promptlab.workspace.corpora import Corpora, Corpus, Document, Passage, handed_on, index_of, passages, read_corpus
from promptlab.workspace.folder import Workspace
from promptlab.workspace.values import Retrieve


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    (tmp_path / "promptlab.toml").write_text("")
    docs = tmp_path / "docs"
    (docs / "deep").mkdir(parents=True)
    (docs / "returns.md").write_text("Returns are free within thirty days.")
    (docs / "deep" / "ship.txt").write_text("Parcels ship within two days.")
    (docs / ".hidden.md").write_text("secret")
    (docs / "image.png").write_bytes(b"\x89PNG")
    (docs / "more.jsonl").write_text('{"id": "a", "text": "Refunds take a week."}\n\n')
    return Workspace.open(tmp_path)


def test_a_folder_is_its_texts(shop: Workspace) -> None:
    corpus = read_corpus(shop, "docs")
    assert [document.source for document in corpus.documents] == [
        "docs/more.jsonl#a",
        "docs/returns.md",
        "docs/deep/ship.txt",
    ]
    again = read_corpus(shop, "docs")
    assert again == corpus
    (shop.root / "docs" / "returns.md").write_text("Returns cost.")
    assert read_corpus(shop, "docs").digest != corpus.digest


def test_what_cannot_be_read_is_a_sentence(shop: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(NotFound, match="There is no file nowhere"):
        read_corpus(shop, "nowhere")
    with pytest.raises(NotFound, match="leads out of the workspace"):
        read_corpus(shop, "../x")
    (shop.root / "empty").mkdir()
    with pytest.raises(NotFound, match="has no texts"):
        read_corpus(shop, "empty")
    outside = tmp_path_factory.mktemp("outside") / "secret.md"
    outside.write_text("secret")
    (shop.root / "docs" / "link.md").symlink_to(outside)
    with pytest.raises(NotFound, match="leads out of the workspace"):
        read_corpus(shop, "docs")
    (shop.root / "docs" / "link.md").unlink()
    (shop.root / "docs" / "more.jsonl").write_text('{"id": "a", "text": "x"}\n{"id": 3}\n')
    with pytest.raises(InvalidFile, match=r"docs/more.jsonl:2: This is no passage"):
        read_corpus(shop, "docs")


def test_the_nearest_passages_with_their_sources(shop: Workspace) -> None:
    found = Corpora(shop).passages(Retrieve("docs", ""))
    index = index_of(found)
    nearest = handed_on((found[at], score) for at, score in index.nearest("When are my parcels shipped? two days", 2))
    assert [one["source"] for one in nearest] == ["docs/deep/ship.txt", "docs/returns.md"]
    assert index.nearest("zebra", 3) == []
    with pytest.raises(NotFound, match="The corpus docs is not in the exported file"):
        Corpora(None).corpus("docs")


def test_the_score_is_the_formula() -> None:
    found = (Passage("a", 1, "cat cat dog"), Passage("b", 1, "dog"), Passage("c", 1, "bird sings here now"))
    ((place, score),) = index_of(found).nearest("Cat", 3)
    mean = (3 + 1 + 4) / 3
    weight = math.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    assert found[place].source == "a"
    assert score == pytest.approx(weight * 2 * 2.2 / (2 + 1.2 * (1 - 0.75 + 0.75 * 3 / mean)))


@given(st.integers(1, 300), st.integers(5, 40), st.integers(0, 4))
def test_passages_cover_every_word_once_beside_their_overlap(count: int, words: int, overlap: int) -> None:
    text = " ".join(f"w{index}" for index in range(count))
    cut = passages(Corpus((Document("d", text),), ("d",), ""), words, overlap)
    seen = [word for place, passage in enumerate(cut) for word in passage.text.split()[overlap if place else 0 :]]
    assert seen == text.split()
    assert all(len(passage.text.split()) <= words for passage in cut)
