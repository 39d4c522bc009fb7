from __future__ import annotations

import pytest
from runs.scripted import make_evalset

from promptlab.errors import UsageFault
from promptlab.runs.options import apply_overrides, choose_examples, parse_override
from promptlab.workspace.values import Params


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("temperature", "0.7", 0.7),
        ("temperature", "1", 1.0),
        ("max_tokens", "32", 32),
        ("seed", "7", 7),
        ("top_p", "none", None),
        ("stop", "END", ["END"]),
        ("stop", "7", ["7"]),
        ("stop", '["\\n", "END"]', ["\n", "END"]),
    ],
)
def test_an_override_is_read_as_its_parameter_takes_it(name: str, text: str, value: object) -> None:
    assert parse_override(name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("temprature", "1", "--set temprature: there is no such parameter. Did you mean `temperature`?"),
        ("temperature", "hot", "--set temperature=hot: expected a number from 0 to 100."),
        ("temperature", "none", "--set temperature=none: expected a number from 0 to 100."),
        ("max_tokens", "0", "--set max_tokens=0: expected a whole number of at least 1."),
        ("max_tokens", "2.5", "--set max_tokens=2.5: expected a whole number of at least 1."),
        ("top_p", "2", "--set top_p=2: expected a number from 0 to 1, or none."),
        ("stop", "", "--set stop=: expected a list of texts that are not empty."),
    ],
)
def test_a_wrong_override_is_explained(name: str, text: str, sentence: str) -> None:
    with pytest.raises(UsageFault) as caught:
        parse_override(name, text)
    assert str(caught.value) == sentence


def test_a_parameter_that_is_near_none_lists_them_all() -> None:
    with pytest.raises(UsageFault, match=r"Known parameters: temperature, max_tokens, .*stop\.$"):
        parse_override("q", "1")


def test_overrides_change_only_what_they_name_and_the_last_wins() -> None:
    params = Params(temperature=0.2, top_p=0.9, stop=("a",))
    assert apply_overrides(params, ()) == params
    changed = apply_overrides(
        params, [("temperature", "1"), ("temperature", "0.5"), ("top_p", "none"), ("stop", "b")]
    )
    assert changed == Params(temperature=0.5, stop=("b",))


def test_a_sample_is_the_same_every_time_and_grows() -> None:
    evalset = make_evalset(50)
    small, large = choose_examples(evalset, 5), choose_examples(evalset, 20)
    assert choose_examples(evalset, 5) == small
    assert len(small) == 5
    assert set(small := [one.id for one in small]) <= {one.id for one in large}
    assert small == sorted(small)
    assert small != [f"e{index:05}" for index in range(5)]
    assert choose_examples(evalset, 500) == choose_examples(evalset) == evalset.examples


def test_only_keeps_tags_and_ids() -> None:
    evalset = make_evalset(6)
    assert [one.id for one in choose_examples(evalset, only=["odd", "e00000"])] == [
        "e00000",
        "e00001",
        "e00003",
        "e00005",
    ]
    assert len(choose_examples(evalset, 2, ["odd"])) == 2


def test_only_something_unknown_names_the_nearest() -> None:
    with pytest.raises(UsageFault) as caught:
        choose_examples(make_evalset(6), only=["ood"])
    assert str(caught.value) == "--only ood: no example of eval set support has this tag or id. Did you mean `odd`?"
    with pytest.raises(UsageFault, match=r"has this tag or id\.$"):
        choose_examples(make_evalset(6), only=["billing"])


def test_a_sample_of_nothing_is_refused() -> None:
    with pytest.raises(UsageFault, match=r"^--sample 0: expected a whole number of at least 1\.$"):
        choose_examples(make_evalset(6), 0)
