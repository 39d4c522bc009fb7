"""The word diff: nothing lost, no token split, never late."""

from __future__ import annotations

import random
import time
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from promptlab.compare.values import DiffSpan
from promptlab.compare.words import tokens, word_diff


def marks(before: str, after: str) -> str:
    """A diff as one readable line: ``[-removed-]{+added+}``."""
    drawn = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
    return "".join(drawn[span.op].format(span.text) for span in word_diff(before, after))


def check(before: str, after: str, budget: float = 0.25) -> tuple[DiffSpan, ...]:
    spans = word_diff(before, after, budget)
    assert "".join(span.text for span in spans if span.op != "added") == before
    assert "".join(span.text for span in spans if span.op != "removed") == after
    assert all(span.text for span in spans)
    ops = [span.op for span in spans]
    assert all(one != two and (one, two) != ("added", "removed") for one, two in pairwise(ops))
    return spans


PIECES = st.sampled_from(
    [
        "the ",
        "cat",
        "dog ",
        "\n",
        "\r\n",
        " ",
        "\t",
        ".",
        "é",
        "e\u0301",
        "漢",
        "字",
        "👩‍👩‍👧",
        "🇩🇪",
        "👍🏽",
        "1️⃣",
        "\u2028",
        "\r",
        "\ud7ff",
        "[bold]",
    ]
)
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=40).map("".join))


@settings(max_examples=75, deadline=None)
@given(TEXTS, TEXTS)
@example("", "")
@example("a", "")
@example("\n", "\r\n")
@example("\x1b[31mred\x1b[0m", "[red]red[/red]")
def test_spans_rebuild_both_texts(before: str, after: str) -> None:
    check(before, after)


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=60), st.data())
def test_an_edited_copy_is_rebuilt_whatever_the_budget(pieces: list[str], data: st.DataObject) -> None:
    kept = [piece for piece in pieces if data.draw(st.booleans())]
    times = data.draw(st.sampled_from([1, 40]))  # a short text has no budget
    check("".join(pieces) * times, "".join(kept) * times, data.draw(st.sampled_from([0.0, 0.0001, 0.25])))


def test_what_is_said_of_a_short_text_does_not_depend_on_time() -> None:
    before = "Name it.\n" * 40 + "Say what it is about, in a word.\n"
    after = "Name it.\n" * 20 + "Say what it is, in a word.\n"
    assert word_diff(before, after, 0.0) == word_diff(before, after, 60.0)
    assert DiffSpan("removed", " about") in word_diff(before, after, 0.0)


@settings(max_examples=75, deadline=None)
@given(TEXTS)
def test_tokens_joined_are_the_text(text: str) -> None:
    assert "".join(tokens(text)) == text


@pytest.mark.parametrize(
    "cluster",
    [
        "हिन्दी",
        "e\u0301te\u0301",
        "漢",
        "👩‍👩‍👧",
        "👍🏽",
        "🇩🇪",
        "1️⃣",
        "🏴\U000e0067\U000e0062\U000e007f",
        "❤️‍🔥",
        "\r\n",
        "   ",
        "snake_case",
    ],
)
def test_a_cluster_is_one_token(cluster: str) -> None:
    assert tokens(cluster) == [cluster]


def test_flags_and_cjk_stand_alone() -> None:
    assert tokens("🇩🇪🇫🇷漢字か") == ["🇩🇪", "🇫🇷", "漢", "字", "か"]


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("a refund now", "a return now", "a [-refund-]{+return+} now"),
        ("Answer one word.\n", "Answer with one word.\n", "Answer {+with +}one word.\n"),
        ("same", "same", "same"),
        ("", "new", "{+new+}"),
        ("old", "", "[-old-]"),
        ("family 👩‍👩‍👧 here", "family 👩‍👩‍👦 here", "family [-👩‍👩‍👧-]{+👩‍👩‍👦+} here"),
        ("cafe au lait", "cafe\u0301 au lait", "[-cafe-]{+cafe\u0301+} au lait"),
        ("one\r\ntwo\r\n", "one\ntwo\n", "one[-\r\n-]{+\n+}two[-\r\n-]{+\n+}"),
        ("a  b", "a b", "a[-  -]{+ +}b"),
        ("keep\nthe red fox\nend\n", "keep\nthe blue fox\nend\n", "keep\nthe [-red-]{+blue+} fox\nend\n"),
        ("I will help you.", "Certainly! Refund issued", "[-I will help you.-]{+Certainly! Refund issued+}"),
        # A blank between two edits is folded into them; a word longer than one of them is not.
        ("say one two now", "say uno dos now", "say [-one two-]{+uno dos+} now"),
        ("x information y so on", "z information w so on", "[-x-]{+z+} information [-y-]{+w+} so on"),
    ],
)
def test_what_a_person_sees(before: str, after: str, shown: str) -> None:
    assert marks(before, after) == shown


def test_moved_and_repeated_lines_are_found() -> None:
    before = "".join(f"item {i % 7}\n" for i in range(5000))
    after = "".join(f"item {i % 7}\n" for i in range(5000) if i % 11)
    spans = check(before, after, budget=60.0)
    assert {span.op for span in spans} == {"same", "removed"}


def words(size: int, seed: int, line: int) -> list[str]:
    dice = random.Random(seed)
    vocabulary = ["".join(dice.choices("abcdefghijklmnop", k=dice.randint(2, 9))) for _ in range(3000)]
    out: list[str] = []
    while size > 0:
        out.append(dice.choice(vocabulary) + ("\n" if line and dice.random() < 1 / line else " "))
        size -= len(out[-1])
    return out


@pytest.mark.parametrize("line", [12, 0], ids=["lines", "one line"])
def test_100_kb_against_100_kb_unrelated_comes_to_an_end(line: int) -> None:
    # The two share a vocabulary, so that they are not dismissed at first sight.
    one = words(100_000, 1, line)
    two = one.copy()
    random.Random(2).shuffle(two)
    start = time.perf_counter()
    check("".join(one), "".join(two))
    assert time.perf_counter() - start < 5  # 0.25 s budget; how well it is kept is a benchmark's to say


@pytest.mark.parametrize("line", [12, 0], ids=["lines", "one line"])
def test_a_100_kb_text_with_few_changes_is_diffed_finely(line: int) -> None:
    one = words(100_000, 3, line)
    dice = random.Random(4)
    two = [f"changed{i} " if dice.random() < 0.01 else word for i, word in enumerate(one)]
    spans = check("".join(one), "".join(two), budget=60.0)
    same = sum(len(span.text) for span in spans if span.op == "same")
    assert same > 0.97 * 100_000


def test_no_time_gives_whole_stretches() -> None:
    assert marks("a\nb c d\n", "a\nb x d\n") == "a\nb [-c-]{+x+} d\n"
    same = "a\n" * 2_000
    coarse = word_diff(f"{same}b c d\n", f"{same}b x d\n", budget=0.0)
    assert coarse == (DiffSpan("same", same), DiffSpan("removed", "b c d\n"), DiffSpan("added", "b x d\n"))
