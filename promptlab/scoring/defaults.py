"""The metrics of an eval set that declares none: what its examples can be scored with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from promptlab.workspace.values import Example, MetricSpec

_LONG = 4  # words: from here on an answer can be partly right


def default_metrics(examples: Sequence[Example]) -> tuple[MetricSpec, ...]:
    """Metrics by what the examples have; the first one decides.

    Right answers are compared with the answer, references with its wording, previous answers with what changed.
    Whatever the examples have, what goes wrong by itself is looked for: cut off, refused, repetitive, long, slow.
    """
    ids = [
        *_expected([example.expected for example in examples if example.expected is not None]),
        *(("rouge_l", "edit_sim") if any(example.reference for example in examples) else ()),
        *(("text_delta", "length_delta") if any(example.previous for example in examples) else ()),
        *("not_truncated", "refusal", "repetition"),
    ]
    specs = [MetricSpec(id, id) for id in ids]
    return (*specs, MetricSpec("length", "words", {"unit": "words"}), MetricSpec("latency", "latency"))


def _expected(values: Sequence[object]) -> Iterable[str]:
    if not values:
        return ()
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return ("numeric", "exact")
    if all(isinstance(value, dict) for value in values):
        return ("json_match", "exact")
    texts = [_texts(value) for value in values]
    if any(found is None for found in texts):
        return ("exact",)
    alternatives = any(isinstance(value, list) for value in values)
    long = any(len(text.split()) >= _LONG for found in texts for text in found or ())
    return (
        *(("exact_norm",) if alternatives or long else ("exact", "exact_norm")),
        "contains",
        *("token_f1",) * long,
    )


def _texts(value: object) -> list[str] | None:
    """A text, or a list of texts: alternatives."""
    found = cast("list[object]", value) if isinstance(value, list) else [value]
    return cast("list[str]", found) if found and all(isinstance(item, str) for item in found) else None
