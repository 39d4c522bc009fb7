"""Label metrics against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import scored
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from promptlab.scoring.catalogue import describe, validate
from promptlab.scoring.families.labels import Reader, labels_of, macro_f1, mcc, micro_f1
from promptlab.workspace.values import Example, MetricSpec

LABELS = ("billing", "shipping", "other", "unused")
COLUMN = st.lists(
    st.tuples(st.sampled_from(LABELS[:3]), st.sampled_from([*LABELS, "none of these"])), min_size=1, max_size=40
)


@given(COLUMN)
def test_label_metrics_agree_with_scikit_learn(column: list[tuple[str, str]]) -> None:
    right, said = zip(*column, strict=True)
    reader = Reader(LABELS)
    totals = np.array([reader.row(*pair) for pair in column]).sum(axis=0, keepdims=True)
    f1 = {
        average: oracle.f1_score(right, said, labels=LABELS, average=average, zero_division=np.nan)
        for average in ("macro", "micro")
    }
    assert macro_f1(totals)[0] == pytest.approx(f1["macro"])
    assert micro_f1(totals)[0] == pytest.approx(f1["micro"])
    if len({*right, *said}) > 1:  # scikit-learn warns of one label
        assert mcc(totals)[0] == pytest.approx(oracle.matthews_corrcoef(right, said))


def test_one_answer_is_right_or_wrong() -> None:
    assert scored.value("macro_f1", ' "Billing". ', scored.expecting("billing")) == 1
    assert scored.value("macro_f1", "It is billing", scored.expecting("billing")) == 0
    assert scored.value("mcc", "3", scored.expecting(3)) == 1
    assert scored.of("mcc", "3", scored.expecting(["a"])).missing == "the example's `expected` is not one label"
    assert scored.of("mcc", "3").missing == "the example has no `expected`"


def test_labels_are_those_declared_and_those_expected() -> None:
    examples = [Example("1", expected="b"), Example("2", expected="A."), Example("3"), Example("4", expected="B")]
    assert labels_of({}, examples) == ("b", "A.")
    assert labels_of({"labels": ["c", "a"]}, examples) == ("c", "a", "b")


def test_a_set_level_metric_says_so() -> None:
    info = describe(MetricSpec("mcc", "mcc"))
    assert (info.kind, info.low, info.high) == ("set", -1.0, 1.0)
    (problem,) = validate(MetricSpec("mcc", "mcc", {"labels": ["a", "A"]}), "x")
    assert str(problem) == (
        "x: metrics.mcc.labels: Expected at least two labels that all differ, got fewer, or one of them twice."
    )
