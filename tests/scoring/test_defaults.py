from __future__ import annotations

import pytest

from promptlab.scoring.catalogue import validate
from promptlab.scoring.defaults import default_metrics
from promptlab.workspace.values import Example

ALWAYS = ["not_truncated", "refusal", "repetition", "words", "latency"]


@pytest.mark.parametrize(
    ("examples", "names"),
    [
        ([Example("a", expected="billing"), Example("b")], ["exact", "exact_norm", "contains"]),
        ([Example("a", expected="a longer right answer")], ["exact_norm", "contains", "token_f1"]),
        ([Example("a", expected=["Paris", "paris"])], ["exact_norm", "contains"]),
        ([Example("a", expected=3), Example("b", expected=2.5)], ["numeric", "exact"]),
        ([Example("a", expected=True)], ["exact"]),
        ([Example("a", expected={"id": 1})], ["json_match", "exact"]),
        ([Example("a", reference="A reply.")], ["rouge_l", "edit_sim"]),
        ([Example("a", previous="A reply.")], ["text_delta", "length_delta"]),
        ([Example("a", expected="x", reference="y")], ["exact", "exact_norm", "contains", "rouge_l", "edit_sim"]),
        ([Example("a")], []),
    ],
)
def test_metrics_come_from_what_the_examples_have(examples: list[Example], names: list[str]) -> None:
    specs = default_metrics(examples)
    assert [spec.name for spec in specs] == [*names, *ALWAYS]
    assert [problem for spec in specs for problem in validate(spec, "x")] == []
