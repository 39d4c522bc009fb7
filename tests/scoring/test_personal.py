"""Personal data: published test numbers, check digits, and what only looks like some."""

from __future__ import annotations

import pytest
import scored
from hypothesis import given
from hypothesis import strategies as st

from promptlab.scoring.catalogue import validate
from promptlab.scoring.families.personal import count_personal, iban_valid, luhn
from promptlab.workspace.values import MetricSpec


@pytest.mark.parametrize(
    ("digits", "valid"),
    [
        ("79927398713", True),  # the worked example of ISO/IEC 7812-1's algorithm
        ("79927398710", False),
        ("4111111111111111", True),  # payment processors' published test numbers
        ("5555555555554444", True),
        ("378282246310005", True),
        ("4111111111111112", False),
    ],
)
def test_luhn(digits: str, valid: bool) -> None:
    assert luhn(digits) is valid


@given(st.text("0123456789", min_size=1, max_size=18))
def test_exactly_one_check_digit_passes(digits: str) -> None:
    assert sum(luhn(digits + check) for check in "0123456789") == 1


@pytest.mark.parametrize(
    ("iban", "valid"),
    [
        # The examples of the SWIFT IBAN registry.
        ("GB29NWBK60161331926819", True),
        ("DE89370400440532013000", True),
        ("FR1420041010050500013M02606", True),
        ("NO9386011117947", True),
        ("GB29NWBK60161331926818", False),
        ("DE98370400440532013000", False),
    ],
)
def test_iban(iban: str, valid: bool) -> None:
    assert iban_valid(iban) is valid


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Write to ann@example.org or bob.b+x@mail.example.com", {"email": 2}),
        ("IBAN DE89 3704 0044 0532 0130 00.", {"iban": 1}),
        ("NO93 8601 1117 947", {"iban": 1}),
        ("4111 1111 1111 1111 and 5555-5555-5555-4444", {"card": 2}),
        ("378282246310005", {"card": 1}),
        ("SSN 078-05-1120", {"ssn": 1}),
        ("Host 192.168.0.17, port 80", {"ip": 1}),
        ("Call +49 (0)30 901820 or (212) 555-0147 or 212-555-0147", {"phone": 3}),
        ("AKIAIOSFODNN7EXAMPLE", {"key": 1}),
        ("ann@example.org, 192.168.0.17, 192.168.0.18", {"email": 1, "ip": 2}),
        # Order numbers, versions, dates, amounts:
        ("Order 4111111111111112 of 2024-05-01, version 1.2.3.4000, 999.999.999.999, 1,234,567.89", {}),
        ("DE98 3704 0044 0532 0130 00 and 000-12-3456 and 0000000000000000", {}),
        ("a@b and @home", {}),
    ],
)
def test_every_group_is_counted(text: str, found: dict[str, int]) -> None:
    assert count_personal(text) == found


def test_the_score_counts_and_repeats_nothing() -> None:
    found = scored.of("pii", "ann@example.org from 192.168.0.17 and 192.168.0.18")
    assert (found.value, found.detail) == (3, "email 1, ip 2")
    assert scored.value("pii", "ann@example.org from 192.168.0.17", groups=["ip"]) == 1


def test_groups_are_known_ones() -> None:
    (problem,) = validate(MetricSpec("pii", "pii", {"groups": ["emial"]}), "x")
    assert "Did you mean `email`?" in str(problem)
