"""Many requests at once: what is shared, what is kept, and that it changes no answer that it may not change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gguf_support import ENDLESS, LABELS, MINI, NANO, TICKET, TOPIC, ask

from promptlab.models.values import Constraint, Request
from promptlab.workspace.values import Message, Params

pytest.importorskip("llama_cpp", reason="the local engine is not installed")

from promptlab.models.gguf import engine as engines
from promptlab.models.gguf import scheduler
from promptlab.models.gguf.engine import Engine
from promptlab.models.gguf.scheduler import Mode

pytestmark = pytest.mark.local

LONG = "Read the ticket with care and answer as the rules of the house say. " * 6


@pytest.fixture
def load() -> Iterator[Callable[..., Engine]]:
    engines: list[Engine] = []

    def load_one(mode: Mode | None = None, path: Path = NANO, threads: int = 1) -> Engine:
        engines.append(Engine(str(path).encode(), None, threads, plain=True, mode=mode))
        return engines[-1]

    yield load_one
    for engine in engines:
        engine.close()


def table(count: int, system: str = LONG, tokens: int = 12) -> list[Request]:
    """Requests of two versions with a long beginning in common, and answers of different lengths."""
    return [
        Request(
            f"{version} {number}",
            (
                Message("system", f"{system} {version}"),
                Message("user", f"Write a polite reply to this ticket.\n\n{TICKET[number % 9 :]} {number}"),
            ),
            Params(max_tokens=1 + (number * 5) % tokens),
        )
        for number in range(count)
        for version in ("Be brief.", "Be kind.")
    ]


def texts(engine: Engine, requests: list[Request]) -> list[str]:
    outcomes = engine.answer(requests)
    assert [outcome.fault for outcome in outcomes if outcome.fault] == []
    assert [outcome.key for outcome in outcomes] == [request.key for request in requests]
    return [outcome.text for outcome in outcomes]


def test_what_requests_share_is_evaluated_once(load: Callable[..., Engine]) -> None:
    engine = load()
    requests = table(20)
    lengths = [len(engine.tokens(request.messages)) for request in requests]
    outcomes = engine.answer(requests)
    written = sum(outcome.usage.completion for outcome in outcomes)
    assert [outcome.usage.prompt for outcome in outcomes] == lengths
    rest = sum(length - len(engine.tokens(requests[0].messages[:1])) for length in lengths)
    assert engine.evaluated < rest + max(lengths) * 4 + written
    alone = load(Mode(slots=1, share=False))
    alone.answer(requests)
    assert sum(lengths) <= alone.evaluated <= sum(lengths) + written


def test_an_edit_at_the_end_pays_for_its_end(load: Callable[..., Engine]) -> None:
    engine = load()
    shared = len(engine.tokens((Message("system", LONG),)))
    engine.answer(table(10))
    first = engine.evaluated
    engine.answer(table(10, LONG + "Sign with your name."))
    assert engine.evaluated - first < first - shared / 2


def test_an_edit_of_a_single_prompt_pays_for_its_end(load: Callable[..., Engine]) -> None:
    engine = load()
    engine.answer([ask(LONG + "Begin.", params=Params(max_tokens=4))])
    before = engine.evaluated
    engine.answer([ask(LONG + "Begin now.", params=Params(max_tokens=4))])
    assert engine.evaluated - before < 20


def test_requests_that_must_have_one_answer_are_asked_once(load: Callable[..., Engine]) -> None:
    engine = load()
    one = engine.answer([ask(seed=1)])[0]
    before = engine.evaluated
    outcomes = engine.answer([ask(key=str(number), seed=number) for number in range(5)])
    assert {outcome.text for outcome in outcomes} == {one.text}
    assert [outcome.key for outcome in outcomes] == list("01234")
    assert engine.evaluated - before <= one.usage.prompt + one.usage.completion
    warm = Params(temperature=1.5, max_tokens=30)
    sampled = [ask(TOPIC, key=str(number), params=warm, seed=number % 3) for number in range(6)]
    answers = texts(engine, sampled)
    assert answers[:3] == answers[3:]
    assert len(set(answers)) > 1


def test_the_same_calls_again_give_the_same_texts(load: Callable[..., Engine]) -> None:
    first, second = load(path=MINI), load(path=MINI)
    for count in (3, 20):
        assert texts(first, table(count)) == texts(second, table(count))


def test_a_reproducible_answer_depends_on_nothing_beside_it(load: Callable[..., Engine]) -> None:
    requests = table(9, LONG[:80], tokens=24)  # of the mini model, and of its log-probabilities: test_gguf_bits.py
    modes = [
        Mode(slots=1, share=False, invariant=True),
        Mode(slots=4, invariant=True),
        Mode(slots=16, invariant=True),
    ]
    found = [texts(load(mode), requests) for mode in modes]
    assert found[1:] == found[:1] * 2
    other = load(Mode(invariant=True), threads=2)
    assert other.mode.invariant
    assert texts(other, requests[:5][::-1]) == found[0][:5][::-1]
    assert texts(other, requests[1:4]) == found[0][1:4]


def test_reproducible_answers_outlive_a_pause_for_memory(
    load: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = table(5, LONG[:80])
    expected = texts(load(Mode(invariant=True)), requests)
    monkeypatch.setattr(scheduler, "_MOST_BYTES", 0)  # room for one request, so all is forgotten again and again
    assert texts(load(Mode(invariant=True)), requests) == expected


def test_a_file_that_is_not_invariant_is_asked_one_thing_at_a_time(
    load: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    requests = table(6)
    single = [texts(load(Mode(slots=1, share=False, afresh=True)), [request])[0] for request in requests]
    monkeypatch.setattr(engines, "is_invariant", lambda file, threads: False)
    engine = load(Mode(invariant=True))
    assert engine.mode.slots == 1
    assert "gives other numbers in a batch than alone" in capfd.readouterr().err
    assert texts(engine, requests) == single
    assert texts(engine, requests[::-1]) == single[::-1]
    assert engine.answer(requests)[0].fingerprint.endswith(", one by one")
    assert load().answer(requests)[0].fingerprint[-1].isdigit()


@pytest.mark.parametrize("most", [0, 1_000_000, 3_000_000])
def test_little_memory_is_enough(most: int, load: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "_MOST_BYTES", most)
    engine = load()
    requests = [*table(12), ask("word " * 400, key="long"), ask("x", key="endless", constraint=ENDLESS)]
    for part in (requests, requests[:5], requests[::-1]):
        texts(engine, part)


def test_calls_take_turns(load: Callable[..., Engine]) -> None:
    engine = load(Mode(slots=2))
    long, short = table(8), [ask(key="judge")]
    engine.add([(number, request) for number, request in enumerate(long)])
    done: list[int] = []
    while not done:
        engine.admit()
        done += [number for number, _ in engine.step()]
    engine.add([(100, short[0])])
    while engine.busy:
        engine.admit()
        done += [number for number, _ in engine.step()]
    assert sorted(done) == [*range(16), 100]
    assert done.index(100) < 12


def step(engine: Engine) -> list[int]:
    engine.admit()
    return [number for number, _ in engine.step()]


@pytest.mark.parametrize("mode", [Mode(), Mode(invariant=True), Mode(slots=2)])
def test_what_is_given_up_is_worked_on_no_more_and_the_rest_is_answered(
    mode: Mode, load: Callable[..., Engine]
) -> None:
    engine, requests = load(mode), table(10)
    expected = load(mode).answer(requests)
    for steps in (0, 1, 4):
        engine.add(list(enumerate(requests)))
        done = [number for _ in range(steps) for number in step(engine)]
        engine.drop(range(20))
        assert not engine.busy
        before = engine.evaluated
        assert step(engine) == []
        assert engine.evaluated == before
        assert len(done) < 20
    engine.add(list(enumerate(requests)))
    early = set(step(engine))
    engine.drop(range(0, 20, 2))
    found: dict[int, str] = {}
    while engine.busy:
        engine.admit()
        found.update((number, outcome.text) for number, outcome in engine.step())
    assert set(found) == set(range(1, 20, 2)) - early
    if mode.invariant:
        assert all(text == expected[number].text for number, text in found.items())
    assert len(texts(engine, requests)) == 20


def test_one_of_two_equal_requests_may_be_given_up(load: Callable[..., Engine]) -> None:
    engine = load()
    engine.add([(1, ask(key="a")), (2, ask(key="b"))])
    engine.admit()
    engine.drop([1])
    done: list[int] = []
    while engine.busy:
        done += step(engine)
    assert done == [2]


def test_contracts_hold_in_a_batch(load: Callable[..., Engine]) -> None:
    engine = load()
    contracts = [Constraint(choices=LABELS[number % 4 :]) for number in range(40)]
    requests = [
        ask(f"{TICKET} {number}", key=str(number), params=params, seed=number, constraint=contract)
        for number, contract in enumerate(contracts)
        for params in (Params(max_tokens=16), Params(max_tokens=16, temperature=2.0, repeat_penalty=1.1))
    ]
    for request, text in zip(requests, texts(engine, requests), strict=True):
        assert request.constraint is not None
        assert text in (request.constraint.choices or ())


def test_a_larger_request_that_comes_later_waits_for_room(load: Callable[..., Engine]) -> None:
    engine = load()
    engine.add(list(enumerate(table(4))))
    engine.admit()
    found = dict(engine.step())
    large = Request("large", (Message("user", "word " * 800),), Params(max_tokens=8))
    engine.add([(10, large)])
    while engine.busy:
        engine.admit()
        found.update(engine.step())
    assert sorted(found) == [*range(8), 10]
    assert all(outcome.fault is None for outcome in found.values())
