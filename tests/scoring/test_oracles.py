"""Which test holds each metric and each statistic against something that is not our own code.

An oracle is a library that computes the same, an example printed in a paper or a standard, or cases that a person
scored by the definition in docs/metrics.md. Who adds a metric adds its line here.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from promptlab.scoring.catalogue import COMPUTED

TESTS = Path(__file__).parents[1]
BY_HAND = "cases scored by hand"
METRICS: dict[str, tuple[str, str, str]] = {
    "exact": ("scoring/test_metrics.py", "test_exact", BY_HAND),
    "exact_norm": ("scoring/test_metrics.py", "test_exact_norm", BY_HAND),
    "contains": ("scoring/test_metrics.py", "test_contains", BY_HAND),
    "any_of": ("scoring/test_answers.py", "test_several_texts", BY_HAND),
    "all_of": ("scoring/test_answers.py", "test_several_texts", BY_HAND),
    "none_of": ("scoring/test_answers.py", "test_several_texts", BY_HAND),
    "regex": ("scoring/test_metrics.py", "test_regex", BY_HAND),
    "choice": ("scoring/test_metrics.py", "test_choice", BY_HAND),
    "numeric": ("scoring/test_answers.py", "test_numeric_is_close_as_numpy_has_it", "np.isclose"),
    "token_f1": ("scoring/test_answers.py", "test_token_f1_agrees_with_rouge_1_of_normalised_texts", "rouge1"),
    "json_valid": ("scoring/test_metrics.py", "test_json_valid", BY_HAND),
    "json_schema": ("scoring/test_metrics.py", "test_json_schema", BY_HAND),
    "json_match": (
        "scoring/test_json_answers.py",
        "test_json_match_of_flat_tables_agrees_with_scikit_learn",
        "f1_score",
    ),
    "macro_f1": ("scoring/test_labels.py", "test_label_metrics_agree_with_scikit_learn", "oracle.f1_score"),
    "micro_f1": ("scoring/test_labels.py", "test_label_metrics_agree_with_scikit_learn", "oracle.f1_score"),
    "mcc": ("scoring/test_labels.py", "test_label_metrics_agree_with_scikit_learn", "oracle.matthews_corrcoef"),
    "edit_sim": ("scoring/test_references.py", "test_edit_sim", "Winkler 1990"),
    "wer": ("scoring/test_references.py", "test_error_rates_agree_with_jiwer", "jiwer.wer"),
    "cer": ("scoring/test_references.py", "test_error_rates_agree_with_jiwer", "jiwer.cer"),
    "rouge_n": ("scoring/test_references.py", "test_rouge_agrees_with_rouge_score", "RougeScorer"),
    "rouge_l": ("scoring/test_references.py", "test_rouge_l_of_the_example_in_lin_2004", "Section 3.1"),
    "trigram_cos": (
        "scoring/test_references.py",
        "test_trigram_cos_agrees_with_scikit_learn",
        "cosine_similarity",
    ),
    "length_ratio": ("scoring/test_oracles.py", "test_length_ratio", BY_HAND),
    "bleu": ("scoring/test_corpus.py", "test_a_column_scores_as_sacrebleu_has_it", "corpus_score"),
    "chrf": ("scoring/test_corpus.py", "test_a_column_scores_as_sacrebleu_has_it", "corpus_score"),
    "ter": ("scoring/test_corpus.py", "test_a_column_scores_as_sacrebleu_has_it", "corpus_score"),
    "text_delta": ("scoring/test_previous.py", "test_text_delta_is_the_edit_distance", "jiwer"),
    "length_delta": ("scoring/test_previous.py", "test_length_delta", BY_HAND),
    "length": ("scoring/test_checks.py", "test_length", BY_HAND),
    "bullets": ("scoring/test_checks.py", "test_bullets", BY_HAND),
    "citations": ("scoring/test_checks.py", "test_citations", BY_HAND),
    "one_line": ("scoring/test_checks.py", "test_yes_or_no", BY_HAND),
    "starts_with": ("scoring/test_checks.py", "test_yes_or_no", BY_HAND),
    "ends_with": ("scoring/test_checks.py", "test_yes_or_no", BY_HAND),
    "no_placeholder": ("scoring/test_checks.py", "test_yes_or_no", BY_HAND),
    "not_truncated": ("scoring/test_checks.py", "test_not_truncated", BY_HAND),
    "xml_valid": ("scoring/test_checks.py", "test_xml_valid", BY_HAND),
    "python_parses": ("scoring/test_checks.py", "test_python_parses", BY_HAND),
    "markdown_table": ("scoring/test_checks.py", "test_markdown_table", BY_HAND),
    "refusal": ("scoring/test_detectors.py", "test_a_refusal", BY_HAND),
    "empty": ("scoring/test_detectors.py", "test_empty", BY_HAND),
    "injection": ("scoring/test_detectors.py", "test_injection", BY_HAND),
    "profanity": ("scoring/test_detectors.py", "test_profanity", BY_HAND),
    "filler": ("scoring/test_detectors.py", "test_filler", BY_HAND),
    "repetition": ("scoring/test_detectors.py", "test_repetition_agrees_with_nltk", "nltk_ngrams"),
    "compression": ("scoring/test_detectors.py", "test_compression", "zlib.compress"),
    "latency": ("scoring/test_metrics.py", "test_latency_and_cost_are_what_was_measured", BY_HAND),
    "cost": ("scoring/test_metrics.py", "test_latency_and_cost_are_what_was_measured", BY_HAND),
    "tokens_in": ("scoring/test_detectors.py", "test_tokens_are_what_the_model_counted", BY_HAND),
    "tokens_out": ("scoring/test_detectors.py", "test_tokens_are_what_the_model_counted", BY_HAND),
    "pii": ("scoring/test_personal.py", "test_every_group_is_counted", BY_HAND),
    "pass_at_k": ("scoring/test_trials.py", "test_pass_at_k_is_that_of_the_paper_and_of_all_subsets", "estimator"),
    "pass_hat_k": ("scoring/test_trials.py", "test_pass_at_k_is_that_of_the_paper_and_of_all_subsets", "subsets"),
    "vote": ("scoring/test_trials.py", "test_how_alike_the_trials_are", BY_HAND),
    "agreement": ("scoring/test_trials.py", "test_how_alike_the_trials_are", BY_HAND),
    "stability": ("scoring/test_trials.py", "test_how_alike_the_trials_are", "Levenshtein"),
}
STATISTICS: dict[str, tuple[str, str, str]] = {
    "interval of a share": ("compare/test_intervals.py", "test_shares_agree_with_statsmodels", "proportion_confint"),
    "Wilson interval": ("compare/test_intervals.py", "test_wilson_as_published", "wilson"),
    "clustered share": (
        "compare/test_intervals.py",
        "test_a_share_of_clusters_is_worth_as_many_answers_as_its_spread_says",
        "sm.OLS",
    ),
    "t interval": ("compare/test_intervals.py", "test_numbers_get_a_t_interval", "stats.ttest_1samp"),
    "ratio": ("compare/test_verdict.py", "test_amounts_are_compared_as_ratios", "stats.gmean"),
    "Holm": ("compare/test_several.py", "test_as_statsmodels_rejects", "multipletests"),
    "betting": ("compare/test_anytime.py", "test_the_fortune_is_that_of_the_paper", "capital"),
    "Bradley–Terry": ("compare/test_ranking.py", "test_the_worked_example_of_agresti", "WINS"),
}


@cache
def functions(file: str) -> dict[str, str]:
    """Every test of a file with its source, decorators included."""
    text = (TESTS / file).read_text(encoding="utf-8")
    lines = text.splitlines()
    found = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    starts = ((node, min([node.lineno, *(one.lineno for one in node.decorator_list)])) for node in found)
    return {node.name: "\n".join(lines[start - 1 : node.end_lineno]) for node, start in starts}


def test_every_metric_has_a_line_here() -> None:
    assert METRICS.keys() == COMPUTED.keys()


@pytest.mark.parametrize("name", [*METRICS, *STATISTICS])
def test_the_test_is_there_and_names_its_oracle(name: str) -> None:
    file, test, oracle = (METRICS | STATISTICS)[name]
    source = functions(file)[test]
    assert "assert" in source
    assert oracle == BY_HAND or oracle in source
    if name in METRICS:
        assert name in source or name in (TESTS / file).read_text(encoding="utf-8")


def test_length_ratio() -> None:
    import scored

    assert scored.value("length_ratio", "one two three", scored.referring("one two")) == 1.5
    assert scored.value("length_ratio", "", scored.referring("one two")) == 0
