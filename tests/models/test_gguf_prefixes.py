from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from promptlab.models.gguf.prefixes import LEAST_GAIN, LEAST_LENGTH, Prefix, Tokens, arrange, common


def prompt(*tokens: int) -> Tokens:
    return np.array(tokens, np.int32)


def beginnings(prefix: Prefix | None) -> list[list[int]]:
    return [] if prefix is None else [*beginnings(prefix.parent), prefix.tokens.tolist()]


def work(order: Sequence[tuple[int, Prefix | None]], prompts: Sequence[Tokens]) -> int:
    """Tokens to evaluate: of every prefix once, and of every prompt what is left."""
    prefixes = {id(prefix): prefix for _, prefix in order if prefix}
    for prefix in list(prefixes.values()):
        while prefix.parent is not None:
            prefix = prefix.parent
            prefixes[id(prefix)] = prefix
    once = sum(len(one.tokens) - (len(one.parent.tokens) if one.parent else 0) for one in prefixes.values())
    return once + sum(len(prompts[index]) - (len(prefix.tokens) if prefix else 0) for index, prefix in order)


parts = st.lists(st.integers(0, 2), min_size=1, max_size=4).map(lambda tokens: tokens * 5)
texts = st.lists(parts, min_size=1, max_size=5).map(lambda them: prompt(*chain.from_iterable(them)))


@given(st.lists(texts, max_size=30))
def test_every_prompt_comes_once_behind_beginnings_of_its_own(prompts: list[Tokens]) -> None:
    order = arrange(prompts)
    assert sorted(index for index, _ in order) == list(range(len(prompts)))
    for index, prefix in order:
        tokens = prompts[index].tolist()
        lengths = [0, *map(len, beginnings(prefix))]
        assert all(tokens[: len(beginning)] == beginning for beginning in beginnings(prefix))
        assert lengths[-1] < len(tokens)
        assert all(b - a >= LEAST_LENGTH for a, b in pairwise(lengths))
    assert work(order, prompts) <= sum(map(len, prompts))
    again = arrange(prompts)
    assert [(index, beginnings(prefix)) for index, prefix in again] == [
        (index, beginnings(prefix)) for index, prefix in order
    ]


@given(st.lists(st.integers(0, 5), max_size=20), st.lists(st.integers(0, 5), max_size=20))
def test_common_is_the_length_of_the_longest_shared_beginning(a: list[int], b: list[int]) -> None:
    size = common(prompt(*a), prompt(*b))
    assert a[:size] == b[:size]
    assert size == min(len(a), len(b)) or a[size] != b[size]


def test_versions_share_their_beginning_and_each_has_its_own() -> None:
    versions = [[1] * 50 + [version] * 50 for version in (2, 3)]
    prompts = [prompt(*versions[number % 2], 9, number) for number in range(10)]
    order = arrange(prompts)
    assert [index for index, _ in order] == [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]
    assert [list(map(len, beginnings(prefix))) for _, prefix in order] == [[50, 101]] * 10
    assert work(order, prompts) == 50 + 2 * 51 + 10


def test_a_prompt_that_is_the_beginning_of_others_keeps_a_token_to_predict_from() -> None:
    prompts = [prompt(*range(size)) for size in (40, 41, 42, 40)]
    assert all(prefix is None or len(prefix.tokens) < len(prompts[index]) for index, prefix in arrange(prompts))


def test_little_in_common_is_not_shared() -> None:
    prompts = [prompt(*range(LEAST_GAIN - 1), 100 + number) for number in range(2)]
    assert arrange(prompts) == [(0, None), (1, None)]
    assert arrange([prompt(*range(90), number) for number in range(3)], share=False) == [(i, None) for i in range(3)]
    assert arrange([]) == []


def test_ten_thousand_nested_prompts_are_no_trouble() -> None:
    prompts = [prompt(*[7] * size) for size in range(1, 3000)]
    assert len(arrange(prompts)) == 2999
