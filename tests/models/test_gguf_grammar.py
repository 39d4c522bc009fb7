from __future__ import annotations

import pytest

from promptlab.models.gguf.grammar import check_depth, choices_grammar


def test_choices_are_written_exactly() -> None:
    assert choices_grammar(["yes", 'a "b"\\\n', "é]"]) == 'root ::= "yes" | "a \\x22b\\x22\\x5c\\x0a" | "é]"\n'


@pytest.mark.parametrize(("choices", "reason"), [([], "no choices"), (["a\0"], "NUL")])
def test_choices_that_no_grammar_can_write(choices: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        choices_grammar(choices)


def test_groups_nested_too_deeply_for_the_native_parser_are_refused() -> None:
    check_depth("root ::= " + "(" * 1000 + ")" * 1000)
    check_depth('root ::= "' + "(" * 5000 + '" [' + "(" * 5000 + "]")
    with pytest.raises(ValueError, match="it nests or repeats something 1001 times, and 1000 is the most"):
        check_depth("root ::= " + "(" * 1001 + ")" * 1001)
