"""Which test holds each metric and each statistic against something that is not our own code.

An oracle is a library that computes the same, an example printed in a paper or a standard, or an enumeration of all
cases. Where a metric is nothing but our own list of phrases, or passes on what was measured, there is none: then
people scored cases by the definition in docs/metrics.md. Both lists are held against the code: who adds a metric, or
a function to the room that compares, adds its line here.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from promptlab import compare
from promptlab.scoring.catalogue import CATALOGUE, JUDGE, PEOPLE
from promptlab.scoring.custom import PYTHON

TESTS = Path(__file__).parents[1]
BY_HAND = "cases scored by hand: the definition is ours"
MEASURED = "passes on what was measured"
OTHERS = "scoring/test_against_others.py"
METRICS: dict[str, tuple[str, str, str]] = {
    "exact": (OTHERS, "test_the_mean_of_exact_is_the_accuracy_of_scikit_learn", "accuracy_score"),
    "exact_norm": (OTHERS, "test_exact_norm_is_that_of_the_script_of_squad", "squad"),
    "contains": (OTHERS, "test_texts_in_an_answer_are_those_that_escaped_patterns_find", "re.escape"),
    "any_of": (OTHERS, "test_texts_in_an_answer_are_those_that_escaped_patterns_find", "re.escape"),
    "all_of": (OTHERS, "test_texts_in_an_answer_are_those_that_escaped_patterns_find", "re.escape"),
    "none_of": (OTHERS, "test_texts_in_an_answer_are_those_that_escaped_patterns_find", "re.escape"),
    "regex": (OTHERS, "test_regex_is_the_pattern_of_json_schema", "Draft202012Validator"),
    "choice": (OTHERS, "test_choice_is_the_enum_of_json_schema", "Draft202012Validator"),
    "numeric": ("scoring/test_answers.py", "test_numeric_is_close_as_numpy_has_it", "np.isclose"),
    "token_f1": ("scoring/test_answers.py", "test_token_f1_agrees_with_rouge_1_of_normalised_texts", "rouge1"),
    "json_valid": (OTHERS, "test_json_valid_is_what_msgspec_reads", "msgspec.json.decode"),
    "json_schema": (OTHERS, "test_the_product_of_getting_started_with_json_schema", "json-schema.org"),
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
    "length_ratio": (OTHERS, "test_words_are_the_tokens_of_scikit_learn", "counted"),
    "bleu": ("scoring/test_corpus.py", "test_a_column_scores_as_sacrebleu_has_it", "corpus_score"),
    "chrf": ("scoring/test_corpus.py", "test_a_column_scores_as_sacrebleu_has_it", "corpus_score"),
    "ter": ("scoring/test_corpus.py", "test_a_column_scores_as_sacrebleu_has_it", "corpus_score"),
    "text_delta": ("scoring/test_previous.py", "test_text_delta_is_the_edit_distance", "jiwer"),
    "length_delta": (OTHERS, "test_words_are_the_tokens_of_scikit_learn", "counted"),
    "correction_match": ("scoring/test_corrections.py", "test_a_match_is_that_of_scikit_learn", "accuracy_score"),
    "edit_ratio": ("scoring/test_corrections.py", "test_the_edit_ratio_is_that_of_nltk", "edit_distance"),
    "length": (OTHERS, "test_words_are_the_tokens_of_scikit_learn", "counted"),
    "bullets": (OTHERS, "test_bullets_are_the_items_of_a_commonmark_parser", "MarkdownIt"),
    "citations": (OTHERS, "test_citations_of_a_published_sentence", "VASWANI"),
    "one_line": (OTHERS, "test_one_line_is_one_line_of_a_file", "path.open"),
    "starts_with": (OTHERS, "test_texts_in_an_answer_are_those_that_escaped_patterns_find", "re.escape"),
    "ends_with": (OTHERS, "test_texts_in_an_answer_are_those_that_escaped_patterns_find", "re.escape"),
    "no_placeholder": (OTHERS, "test_placeholders_in_braces_are_those_that_jinja_reads", "jinja2"),
    "not_truncated": ("scoring/test_checks.py", "test_not_truncated", MEASURED),
    "xml_valid": (OTHERS, "test_xml_is_what_libxml2_reads", "etree.fromstring"),
    "python_parses": (OTHERS, "test_python_as_the_tutorial_has_it", "Python Tutorial"),
    "markdown_table": (OTHERS, "test_a_table_is_one_of_github_flavoured_markdown", "MarkdownIt"),
    "language_is": ("scoring/test_language.py", "test_the_declaration_of_human_rights", "Article 1"),
    "readability": ("scoring/test_language.py", "test_the_abstract_of_coleman_and_liau", "14.5"),
    "right_refusal": (OTHERS, "test_the_mean_of_right_refusal_is_the_accuracy_of_scikit_learn", "accuracy_score"),
    "refusal": (OTHERS, "test_refusals_are_those_of_the_keywords_of_zou", "REFUSED"),
    "empty": (OTHERS, "test_empty_is_what_no_pattern_of_json_schema_finds", "Draft202012Validator"),
    "system_prompt_leak": (
        "scoring/test_detectors.py",
        "test_a_leak_is_the_longest_match_of_difflib",
        "find_longest_match",
    ),
    "injection": ("scoring/test_detectors.py", "test_injection", BY_HAND),
    "profanity": (OTHERS, "test_rude_words_are_those_between_the_word_boundaries_of_a_pattern", "re.search"),
    "filler": ("scoring/test_detectors.py", "test_filler", BY_HAND),
    "repetition": ("scoring/test_detectors.py", "test_repetition_agrees_with_nltk", "nltk_ngrams"),
    "compression": ("scoring/test_detectors.py", "test_compression", "zlib.compress"),
    "sql_valid": ("scoring/test_formats.py", "test_sql_is_what_sqlglot_reads", "sqlglot"),
    "tool_call": (
        "scoring/test_formats.py",
        "test_a_call_is_that_of_one_schema_for_all_tools",
        "Draft202012Validator",
    ),
    "first_token": ("scoring/test_detectors.py", "test_what_streaming_takes", MEASURED),
    "token_rate": ("scoring/test_detectors.py", "test_what_streaming_takes", "np.divide"),
    "input_ratio": (OTHERS, "test_words_are_the_tokens_of_scikit_learn", "counted"),
    "latency": ("scoring/test_metrics.py", "test_latency_and_cost_are_what_was_measured", MEASURED),
    "cost": ("scoring/test_metrics.py", "test_latency_and_cost_are_what_was_measured", MEASURED),
    "tokens_in": ("scoring/test_detectors.py", "test_tokens_are_what_the_model_counted", MEASURED),
    "tokens_out": ("scoring/test_detectors.py", "test_tokens_are_what_the_model_counted", MEASURED),
    "pii": ("scoring/test_personal.py", "test_iban", "SWIFT IBAN registry"),
    "pass_at_k": ("scoring/test_trials.py", "test_pass_at_k_is_that_of_the_paper_and_of_all_subsets", "estimator"),
    "pass_hat_k": ("scoring/test_trials.py", "test_pass_at_k_is_that_of_the_paper_and_of_all_subsets", "subsets"),
    "vote": (OTHERS, "test_the_most_frequent_answer_is_that_of_scipy", "stats.mode"),
    "agreement": (OTHERS, "test_the_most_frequent_answer_is_that_of_scipy", "stats.mode"),
    "stability": ("scoring/test_trials.py", "test_how_alike_the_trials_are", "Levenshtein"),
    **dict.fromkeys(
        ("emb_cos", "input_cos", "refusal_sim", "injection_sim", "self_check"),
        ("scoring/test_meaning.py", "test_nearness_is_that_of_the_cosines_of_scikit_learn", "cosine_similarity"),
    ),
    "choice_prob": ("scoring/test_meaning.py", "test_choice_prob_is_the_softmax_of_scipy", "softmax"),
}
STATISTICS: dict[str, tuple[str, str, str]] = {
    "agreement.agreement": ("compare/test_agreement.py", "test_kappa_is_that_of_others", "cohen_kappa_score"),
    "agreement.krippendorff_alpha": (
        "compare/test_agreement.py",
        "test_alpha_is_that_of_krippendorff",
        "krippendorff.alpha",
    ),
    "agreement.calibration": ("compare/test_agreement.py", "test_calibration", "brier_score_loss"),
    "anytime.fortunes": ("compare/test_anytime.py", "test_the_fortune_is_that_of_the_paper", "capital"),
    "anytime.decide_anytime": (
        "compare/test_anytime.py",
        "test_looking_after_each_of_300_examples_refutes_the_truth_exactly_this_often",
        "dynamic programming",
    ),
    "anytime.mean_anytime": (
        "compare/test_anytime.py",
        "test_the_interval_ends_where_the_capital_refutes",
        "capital",
    ),
    "guardrails.check_guardrail": (
        "compare/test_decisions.py",
        "test_a_guardrail_is_the_one_sided_t_test_of_scipy",
        "stats.ttest_1samp",
    ),
    "guardrails.holm": ("compare/test_guardrails.py", "test_holm_agrees_with_statsmodels", "multipletests"),
    "intervals.mean_interval": (
        "compare/test_intervals.py",
        "test_numbers_get_a_t_interval",
        "stats.ttest_1samp",
    ),
    "intervals.share_interval": (
        "compare/test_intervals.py",
        "test_shares_agree_with_statsmodels",
        "proportion_confint",
    ),
    "intervals.effective_answers": (
        "compare/test_intervals.py",
        "test_a_share_of_clusters_is_worth_as_many_answers_as_its_spread_says",
        "sm.OLS",
    ),
    "intervals.wilson": ("compare/test_intervals.py", "test_wilson_as_published", "wilson"),
    "lengths.win_rate_at_equal_length": (
        "compare/test_lengths.py",
        "test_as_a_logistic_regression_of_statsmodels",
        "sm.GLM",
    ),
    "paired.binary": ("compare/test_decisions.py", "test_yes_or_no_is_mcnemar_of_statsmodels", "mcnemar"),
    "paired.preference": (
        "compare/test_decisions.py",
        "test_preference_is_the_sign_test_of_statsmodels",
        "sign_test",
    ),
    "paired.mcnemar_mid_p": (
        "compare/test_paired.py",
        "test_mcnemar_mid_p_is_the_exact_p_of_statsmodels_less_half_of_both_end_points",
        "mcnemar",
    ),
    "paired.bonett_price": (
        "compare/test_paired.py",
        "test_bonett_price_is_wald_with_one_more_flip_each_way",
        "bonett_price",
    ),
    "paired.numeric": ("compare/test_paired.py", "test_t_interval_of_darwins_maize", "stats.ttest_1samp"),
    "paired.mean_se": ("compare/test_paired.py", "test_clustered_interval_agrees_with_statsmodels", "OLS"),
    "paired.sign_flip_p": (
        "compare/test_paired.py",
        "test_exact_sign_flip_agrees_with_scipy",
        "stats.permutation_test",
    ),
    "power.trials_needed": (
        "compare/test_power.py",
        "test_the_detectable_effects_of_miller_at_a_hundred_examples",
        "0.124",
    ),
    "power.spread_within": ("compare/test_power.py", "test_spread_within_is_that_of_numpy", "np.var"),
    "powered.powered_mean": ("compare/test_powered.py", "test_the_formula", "np.cov"),
    "ranking.strengths": ("compare/test_ranking.py", "test_the_worked_example_of_agresti", "WINS"),
    "ranking.rank": ("compare/test_ranking.py", "test_as_a_logistic_regression_of_statsmodels", "sm.GLM"),
    "resampling.set_interval": (
        "compare/test_resampling.py",
        "test_the_interval_agrees_with_scipy",
        "stats.bootstrap",
    ),
    "resampling.decide_set": (
        "compare/test_resampling.py",
        "test_the_p_value_is_that_of_all_exchanges",
        "itertools.product",
    ),
    "sequential.clear_side": (
        "compare/test_decisions.py",
        "test_a_coin_is_called_clear_exactly_this_often",
        "Dynamic programming",
    ),
    "sequential.clearly_no_drop": (
        "compare/test_decisions.py",
        "test_a_drop_is_overlooked_exactly_this_often",
        "Dynamic programming",
    ),
    "several.corrected": ("compare/test_several.py", "test_as_statsmodels_rejects", "multipletests"),
    "student.t_upper": ("compare/test_student.py", "test_quantiles_and_tails_agree_with_scipy", "stats.t"),
    "student.t_quantile": ("compare/test_student.py", "test_quantiles_and_tails_agree_with_scipy", "stats.t"),
    "verdict.decide": ("compare/test_decisions.py", "test_equivalent_is_tost_of_statsmodels", "ttost_paired"),
    "verdict.decide as a ratio": ("compare/test_verdict.py", "test_amounts_are_compared_as_ratios", "stats.gmean"),
    "verdict.decide its power": ("compare/test_verdict.py", "test_examples_needed_as_published", "969"),
}
NO_STATISTICS = {
    *("anytime.largest", "verdict.conclude", "verdict.invalid", "verdict.measure_of", "verdict.pair"),
    "verdict.undecided",
}
"""What prepares a statistic, or says it."""
SAYING = {"__init__", "sentences", "values", "words"}
"""Modules of the room without any statistic."""


@cache
def functions(file: str) -> dict[str, str]:
    """Every test of a file with its source, decorators included."""
    text = (TESTS / file).read_text(encoding="utf-8")
    lines = text.splitlines()
    found = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    starts = ((node, min([node.lineno, *(one.lineno for one in node.decorator_list)])) for node in found)
    return {node.name: "\n".join(lines[start - 1 : node.end_lineno]) for node, start in starts}


def test_every_metric_has_a_line_here() -> None:
    assert METRICS.keys() == CATALOGUE.keys() - {JUDGE, PEOPLE, PYTHON}


def test_every_statistic_has_a_line_here() -> None:
    found: set[str] = set()
    for path in Path(compare.__path__[0]).glob("*.py"):
        if path.stem not in SAYING:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
            found |= {f"{path.stem}.{name}" for name in names if not name.startswith("_")}
    assert found - NO_STATISTICS == {name.split()[0] for name in STATISTICS}
    assert found >= NO_STATISTICS


@pytest.mark.parametrize("name", [*METRICS, *STATISTICS])
def test_the_test_is_there_and_names_its_oracle(name: str) -> None:
    file, test, oracle = (METRICS | STATISTICS)[name]
    source = functions(file)[test]
    assert "assert" in source
    assert oracle in (BY_HAND, MEASURED) or oracle in source
    if name in METRICS:
        assert name in source or name in (TESTS / file).read_text(encoding="utf-8")
