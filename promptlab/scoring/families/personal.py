"""Personal data in an answer: every group is counted, and none of it repeated."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import cast

from promptlab.scoring.metric import Case, Metric, number
from promptlab.scoring.values import Score
from promptlab.workspace import sheet as check
from promptlab.workspace.sheet import Expected


def luhn(digits: str) -> bool:
    """The check digit of card numbers (ISO/IEC 7812-1): every second digit from the right is doubled."""
    total = 0
    for at, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + at % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban_valid(text: str) -> bool:
    """The check digits of an IBAN (ISO 13616): rotated by four, letters as 10 … 35, modulo 97 is 1."""
    rotated = text[4:] + text[:4]
    return int("".join(str(int(char, 36)) for char in rotated)) % 97 == 1


def _bare(text: str) -> str:
    return re.sub(r"[\s-]", "", text)


def _card(text: str) -> bool:
    digits = _bare(text)
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and luhn(digits)


def _ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _phone(text: str) -> bool:
    return 9 <= sum(char.isdigit() for char in text) <= 15


def _always(text: str) -> bool:
    return True


GROUPS: dict[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "email": (re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,5}[A-Za-z]{2,24}\b"), _always),
    "key": (
        re.compile(
            r"\b(?:sk-[\w-]{16,200}|AKIA[0-9A-Z]{16}|gh[pousr]_\w{30,100}|xox[abprs]-[\w-]{10,100}|AIza[\w-]{35})"
        ),
        _always,
    ),
    "iban": (
        re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"),
        lambda text: iban_valid(_bare(text)),
    ),
    "card": (re.compile(r"(?<![\w.,-])\d(?:[ -]?\d){12,18}(?![\w-])"), _card),
    "ssn": (re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])"), _always),
    "ip": (re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]\d|\w)"), _ip),
    "phone": (
        re.compile(
            r"(?<![\w.,-])(?:\+\d{1,3}[ .-]?(?:\(0\))?|\(\d{3}\) ?|\d{3}[.-](?=\d{3}[.-]\d{4}))"
            r"\d(?:[ .-]?\d){5,12}(?!\w)"
        ),
        _phone,
    ),
}
"""Tried in this order; what one group has claimed no later one counts."""


def count_personal(text: str, groups: tuple[str, ...] = tuple(GROUPS)) -> dict[str, int]:
    """How often each group stands in a text; groups that do not are left out."""
    found: dict[str, int] = {}
    for group, (pattern, valid) in GROUPS.items():
        claimed = [match.span() for match in pattern.finditer(text) if valid(match[0])]
        for start, end in claimed:
            text = text[:start] + "\0" * (end - start) + text[end:]
        if claimed and group in groups:
            found[group] = len(claimed)
    return found


def personal(case: Case) -> Score:
    """How many pieces of personal data the answer has, of ``groups`` or of all."""
    groups = tuple(cast("list[str]", case.options.get("groups", list(GROUPS))))
    found = count_personal(case.searched, groups)
    return case.score(sum(found.values()), ", ".join(f"{group} {count}" for group, count in found.items()))


def _groups(value: object) -> list[str]:
    groups = check.words(value)
    one = check.one_of(*GROUPS)
    if not groups:
        raise Expected("at least one group")
    for group in groups:
        one(group)
    return groups


METRICS = (
    Metric(
        number("pii", "pieces of personal data: addresses, numbers, keys", direction="min"),
        personal,
        {"groups": _groups},
    ),
)
