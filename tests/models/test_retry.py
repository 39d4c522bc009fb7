from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.models.retry import LONGEST_RETRY_AFTER, RetryPolicy, retry_after

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("2.5", 2.5),
        ("-3", 0.0),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 13:00:30 +0100", 30.0),
        ("Sat, 21 Nov 2026 12:00:30 -0000", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


@given(st.text())
def test_any_retry_after_is_survived(header: str) -> None:
    seconds = retry_after(header)
    assert seconds is None or seconds >= 0


@given(st.text(), st.integers(1, 60))
def test_the_wait_doubles_with_jitter_up_to_its_bound_and_is_seeded(key: str, attempt: int) -> None:
    policy = RetryPolicy(first=0.5, longest=8.0)
    full = min(0.5 * 2.0 ** (attempt - 1), 8.0)
    assert full / 2 <= policy.delay(key, attempt, None) <= full
    assert policy.delay(key, attempt, None) == policy.delay(key, attempt, None)


def test_requests_that_failed_together_do_not_come_back_together() -> None:
    assert len({RetryPolicy().delay(f"k{number}", 1, None) for number in range(50)}) == 50


@given(st.floats(0, 1e9))
def test_the_servers_wish_counts_up_to_a_minute(wish: float) -> None:
    delay = RetryPolicy().delay("k", 1, wish)
    bounded = min(wish, LONGEST_RETRY_AFTER)
    assert bounded <= delay <= bounded * 1.1
