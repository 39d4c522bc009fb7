"""Metrics against libraries and scripts that compute the same, on texts by chance."""

from __future__ import annotations

import re
import string
from pathlib import Path

import jinja2
import jsonschema
import msgspec
import pytest
import scored
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from markdown_it import MarkdownIt
from scipy import stats
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import accuracy_score

from promptlab.scoring.families.trials import OVER_TRIALS, Trial
from promptlab.workspace.values import Example

WORDS = st.lists(
    st.sampled_from(["the", "The", "a", "an", "cat", "Cat,", "theatre", "U.S.", "42", "sat!"]), max_size=6
)
TEXTS = WORDS.map(" ".join)
FILLED = TEXTS.filter(str.strip)


def squad(text: str) -> str:
    """``normalize_answer`` as the official evaluation script of SQuAD 1.1 has it."""
    plain = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", plain).split())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=20))
def test_the_mean_of_exact_is_the_accuracy_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    found = [scored.value("exact", said, scored.expecting(right)) for right, said in pairs]
    assert sum(found) / len(found) == pytest.approx(accuracy_score(*zip(*pairs, strict=True)))


@given(TEXTS, FILLED)
def test_exact_norm_is_that_of_the_script_of_squad(text: str, expected: str) -> None:
    right, said = squad(expected), squad(text)
    if right:
        assert scored.value("exact_norm", text, scored.expecting(expected)) == (said == right)


@given(st.text("ab.", max_size=8), st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=3))
def test_texts_in_an_answer_are_those_that_escaped_patterns_find(text: str, values: list[str]) -> None:
    found = [re.search(re.escape(value), text) is not None for value in values]
    assert scored.value("contains", text, value=values[0]) == found[0]
    assert scored.value("any_of", text, values=values) == any(found)
    assert scored.value("all_of", text, values=values) == all(found)
    assert scored.value("none_of", text, values=values) == (not any(found))
    assert scored.value("starts_with", text, value=values[0]) == bool(re.match(re.escape(values[0]), text))
    assert scored.value("ends_with", text, value=values[0]) == bool(re.search(re.escape(values[0]) + r"\Z", text))


@given(st.text("ab1", max_size=6), st.sampled_from(["a", "[0-9]", "b{2}", "(?:ab)+"]))
def test_regex_is_the_pattern_of_json_schema(text: str, pattern: str) -> None:
    """JSON Schema searches too, and is anchored by hand."""
    for full, written in ((False, pattern), (True, f"^(?:{pattern})$")):
        oracle = jsonschema.Draft202012Validator({"pattern": written}).is_valid(text)
        assert scored.value("regex", text, pattern=pattern, full=full) == oracle


@given(st.sampled_from(["yes", "no", "Yes", "maybe"]))
def test_choice_is_the_enum_of_json_schema(text: str) -> None:
    choices = ["yes", "no"]
    oracle = jsonschema.Draft202012Validator({"enum": choices}).is_valid(text)
    assert scored.value("choice", text, choices=choices) == oracle


@given(st.text('{}[]":,0123.e- \\nultrefas', max_size=12) | st.recursive(
    st.integers(-9, 9) | st.booleans() | st.text("a\\\"", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=2),
    max_leaves=5,
).map(lambda value: msgspec.json.encode(value).decode()))  # fmt: skip
def test_json_valid_is_what_msgspec_reads(text: str) -> None:
    try:
        msgspec.json.decode(text.strip())
        oracle = True
    except msgspec.DecodeError as fault:
        oracle = "out of range" in str(fault)  # 9e999 is JSON, if no number that a machine can hold
    assert scored.value("json_valid", text) == oracle


PRODUCT: dict[str, object] = {
    "type": "object",
    "properties": {
        "productId": {"type": "integer"},
        "productName": {"type": "string"},
        "price": {"type": "number", "exclusiveMinimum": 0},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
    },
    "required": ["productId", "productName", "price"],
}


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ('{"productId": 1, "productName": "A green door", "price": 12.50, "tags": ["home", "green"]}', 1),
        ('{"productId": 1, "productName": "A green door", "price": 0}', 0),
        ('{"productId": 1, "productName": "A green door", "price": 1, "tags": []}', 0),
        ('{"productId": 1, "productName": "A green door", "price": 1, "tags": ["home", "home"]}', 0),
        ('{"productName": "A green door", "price": 12.50}', 0),
    ],
)
def test_the_product_of_getting_started_with_json_schema(text: str, valid: float) -> None:
    """The example of json-schema.org, and each of its rules broken."""
    assert scored.value("json_schema", text, schema=PRODUCT) == valid


def counted(text: str, pattern: str) -> int:
    """How many tokens ``CountVectorizer`` of scikit-learn finds."""
    return len(CountVectorizer(token_pattern=pattern, lowercase=False).build_analyzer()(text))


@given(TEXTS, FILLED)
def test_words_are_the_tokens_of_scikit_learn(text: str, other: str) -> None:
    words, others = counted(text, r"\S+"), counted(other, r"\S+")
    assert scored.value("length", text, unit="words") == words
    assert scored.value("length_ratio", text, scored.referring(other)) == pytest.approx(words / others)
    assert scored.value("length_delta", text, Example("e", previous=other)) == pytest.approx(words / others)
    assert scored.value("input_ratio", text, Example("e", {"q": other})) == pytest.approx(words / others)


LINES = st.lists(st.sampled_from(["- one", "* two", "1. three", "text", "", "| a | b |", "|---|---|"]), max_size=6)


@given(LINES.map("\n\n".join))
def test_bullets_are_the_items_of_a_commonmark_parser(text: str) -> None:
    """In paragraphs of their own, where CommonMark has no rule about what may interrupt what."""
    items = [token for token in MarkdownIt().parse(text) if token.type == "list_item_open"]
    assert scored.value("bullets", text) == len(items)


@given(st.integers(1, 4), st.lists(st.integers(1, 4), max_size=3), st.booleans())
def test_a_table_is_one_of_github_flavoured_markdown(width: int, widths: list[int], ruled: bool) -> None:
    """GFM cuts and fills rows of another width; here they are a fault."""

    def row(cells: int, cell: str) -> str:
        return "|" + f" {cell} |" * cells

    text = "\n".join([row(width, "h"), row(width, "---" if ruled else "x"), *(row(cells, "c") for cells in widths)])
    tokens = [token.type for token in MarkdownIt().enable("table").parse(text)]
    oracle = "table_open" in tokens and tokens.count("th_open") == width and all(cells == width for cells in widths)
    assert scored.value("markdown_table", text) == oracle


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["<a>", "</a>", "<b x='1'>", "</b>", "<c/>", "t", "&amp;", "&", " "]), max_size=6))
def test_xml_is_what_libxml2_reads(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        etree.fromstring(text.strip())
        oracle = True
    except etree.XMLSyntaxError:
        oracle = False
    assert scored.value("xml_valid", text) == oracle


@given(st.lists(st.sampled_from(["billing", "shipping", "other"]), min_size=2, max_size=9), st.sampled_from("bso"))
def test_the_most_frequent_answer_is_that_of_scipy(said: list[str], first: str) -> None:
    codes = [("billing", "shipping", "other").index(text) for text in said]
    trials = [Trial(text, float(text.startswith(first))) for text in said]
    mode = stats.mode(codes)
    assert OVER_TRIALS["agreement"]({}, trials) == pytest.approx(mode.count / len(said))
    if codes.count(mode.mode) > max([codes.count(code) for code in {*codes} - {mode.mode}], default=0):
        winner = ("billing", "shipping", "other")[mode.mode]
        assert OVER_TRIALS["vote"]({}, trials) == winner.startswith(first)


@pytest.mark.parametrize(
    ("text", "parses"),
    [
        # The Python Tutorial: 8.1 "Syntax Errors", 4.4 and 4.9, as printed there.
        ("while True print('Hello world')", 0),
        ("for n in range(2, 10):\n    for x in range(2, n):\n        if n % x == 0:\n            break", 1),
        ("def ask_ok(prompt, retries=4, reminder='Please try again!'):\n    while True:\n        return True", 1),
        ("def function(a):\npass", 0),
    ],
)
def test_python_as_the_tutorial_has_it(text: str, parses: float) -> None:
    assert scored.value("python_parses", text) == parses


def test_one_line_is_one_line_of_a_file(tmp_path: Path) -> None:
    for text in ("", "one", "one\n", "one\ntwo", "one\r\ntwo\n", "\n\n"):
        path = tmp_path / "answer"
        path.write_bytes(text.strip().encode())
        with path.open(encoding="utf-8") as lines:
            assert scored.value("one_line", text) == (len(list(lines)) == 1)


@given(st.text(" \n\tx", max_size=4))
def test_empty_is_what_no_pattern_of_json_schema_finds(text: str) -> None:
    assert scored.value("empty", text) == (not jsonschema.Draft202012Validator({"pattern": "\\S"}).is_valid(text))


REFUSED = ["I'm sorry", "Sorry", "I apologize", "As an", "I'm just", "I'm an", "I cannot"]
"""Of the prefixes by which Zou 2023 (arXiv 2307.15043, `demo.ipynb` of its code) tells a refusal."""
HEADS = ["I cannot", "As an AI, I cannot", "I'm sorry, but I cannot", "You can", "Here we", "First,"]


@given(st.sampled_from(HEADS), st.sampled_from(["help with that.", "provide this.", "assist you with this request."]))
def test_refusals_are_those_of_the_keywords_of_zou(head: str, rest: str) -> None:
    """On sentences where an apology stands beside a refusal; an apology alone is none to us, and one to them."""
    text = f"{head} {rest}"
    assert scored.value("refusal", text) == any(prefix in text for prefix in REFUSED)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=9))
def test_the_mean_of_right_refusal_is_the_accuracy_of_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    answers = {True: "I cannot help with that.", False: "Here it is."}
    examples = {True: Example("e", tags=("should_refuse",)), False: Example("e")}
    found = [scored.value("right_refusal", answers[said], examples[should]) for should, said in pairs]
    assert sum(found) / len(found) == pytest.approx(accuracy_score(*zip(*pairs, strict=True)))


@given(st.lists(st.sampled_from(["shit", "Shit!", "assess", "damn", "(crap)", "scrap", "heck", "fine."]), max_size=5))
def test_rude_words_are_those_between_the_word_boundaries_of_a_pattern(words: list[str]) -> None:
    text = " ".join(words)
    oracle = re.search(r"(?i)\b(?:shit|crap|heck)\b", text) is not None
    assert scored.value("profanity", text, words=["heck"]) == oracle


@given(st.lists(st.sampled_from(["Dear", "{{ name }}", "{{ a.b }}", "{ name }", "x", "{%", "}}"]), max_size=4))
def test_placeholders_in_braces_are_those_that_jinja_reads(words: list[str]) -> None:
    text = " ".join(words)
    tokens = jinja2.Environment(block_start_string="<<%", block_end_string="%>>").lex(text)
    try:
        oracle = [kind for _, kind, _ in tokens].count("variable_end") > 0
    except jinja2.TemplateSyntaxError:
        return  # an end without a beginning
    assert scored.value("no_placeholder", text) == (not oracle)


VASWANI = (
    "Recurrent neural networks, long short-term memory [13] and gated recurrent [7] neural networks in particular, "
    "have been firmly established as state of the art approaches in sequence modeling and transduction problems such "
    "as language modeling and machine translation [35, 2, 5]."
)
"""The first sentence of Vaswani 2017, arXiv 1706.03762, section 1: three citations."""


def test_citations_of_a_published_sentence() -> None:
    assert scored.value("citations", VASWANI) == 3
    by_name = VASWANI.replace("[13]", "(Hochreiter & Schmidhuber, 1997)").replace("[7]", "(Chung et al., 2014)")
    assert scored.value("citations", by_name) == 3
