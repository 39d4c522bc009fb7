"""What runs may take, in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.errors import UsageFault
from promptlab.lab.limits import Limits, parse_limits
from promptlab.runs.values import Budget

BUDGETS = st.builds(
    Budget,
    st.none() | st.integers(1, 10_000).map(lambda hundredths: hundredths / 100),
    st.none() | st.integers(1, 100_000),
    st.none() | st.integers(1, 500).map(lambda tenths: tenths / 10),
)


@given(st.builds(Limits, BUDGETS, st.none() | st.integers(0, 500)))
def test_their_words_are_read_as_what_they_say(limits: Limits) -> None:
    assert parse_limits(limits.words) == limits


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cost", "“cost”: expected cost, tokens, minutes or at once with a number, such as cost 2."),
        ("dollars 2", "“dollars 2”: expected cost, tokens, minutes or at once with a number, such as cost 2."),
        ("cost 0", "cost 0: expected a number above 0."),
        ("cost nan", "cost nan: expected a number above 0."),
        ("tokens 1.5", "tokens 1.5: expected a whole number above 0."),
        ("at once -1", "at once -1: expected a whole number at least 0."),
        (" , ", "Say at least one limit, or none."),
    ],
)
def test_what_is_none_says_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(UsageFault) as raised:
        parse_limits(text)
    assert str(raised.value) == said


def test_they_may_be_written_with_a_sign() -> None:
    assert parse_limits("Cost = 2, at once=0") == Limits(Budget(cost=2.0), 0)
