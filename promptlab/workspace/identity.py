"""Names for contents: what makes two prompts the same version, and two eval sets the same cases."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import islice

import msgspec

from promptlab.workspace.packed import ids_of
from promptlab.workspace.values import Example

DOCUMENTATION = frozenset({"description", "owner", "labels", "notes", "id", "evalset", "export"})
"""Top-level keys of a prompt that never reach a model, and so are no part of its identity."""

# The first part of what is hashed names the rule: a new rule gets a new number, and can live beside the old one.
_PROMPT_RULE = "promptlab-prompt-1\0"
_EXAMPLES_RULE = "promptlab-examples-1\0"
_AT_ONCE = 500


def content_hash(parsed: Mapping[str, object]) -> str:
    """The content hash of a parsed prompt file: 12 hex digits.

    Comments, key order, table style, line ends and documentation keys do not count. Texts count as parsed,
    to the last space, and 1 differs from 1.0: both reach the model.
    """
    return _digest(_PROMPT_RULE, {key: value for key, value in parsed.items() if key not in DOCUMENTATION})


def examples_hash(examples: Sequence[Example]) -> str:
    """The hash of a set of examples: 12 hex digits. Their order does not count: it is the same set of cases."""
    ids = ids_of(examples)
    order = iter(sorted(range(len(ids)), key=ids.__getitem__))
    # Some at a time, as one list: a hundred thousand examples are not written down three times over in memory.
    some = iter(lambda: [examples[at] for at in islice(order, _AT_ONCE)], [])
    parts = (_canonical(msgspec.to_builtins(each)) for each in some)
    digest = hashlib.sha256(_EXAMPLES_RULE.encode() + b"[")
    for index, part in enumerate(parts):
        digest.update((b"," if index else b"") + part[1:-1])
    digest.update(b"]")
    return digest.hexdigest()[:12]


def _digest(rule: str, content: object) -> str:
    return hashlib.sha256(rule.encode() + _canonical(content)).hexdigest()[:12]


def _canonical(content: object) -> bytes:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_date_text)
    return text.encode("utf-8", "surrogatepass")


def _date_text(value: object) -> str:
    # A date is used as its text everywhere, so it hashes as its text.
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
