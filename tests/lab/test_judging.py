"""Judges in a run: pairs, juries, promptlab's own criteria, and what all of it cost."""

from __future__ import annotations

from pathlib import Path

import places
import pytest
from loopback import Asked, LoopbackServer

from promptlab.errors import InvalidFile
from promptlab.lab import Lab, RunTable, wording
from promptlab.lab.judged import judgings
from promptlab.lab.report import example_report, gates, run_report
from promptlab.lab.values import RunRequest

PAIR = """[judge]
kind = "pairwise"
criterion = "The label alone."
[[messages]]
role = "user"
content = "Better? A: {{ answer_a }} B: {{ answer_b }}"
"""


def with_metrics(folder: Path, metrics: str, decision: str = "") -> Lab:
    """The workspace with other metrics in its eval set, and a judge of pairs."""
    (folder / "prompts" / "better.toml").write_text(PAIR)
    text = places.evalset_text()
    start, end = text.index("[[metrics]]"), text.index("[[examples]]")
    (folder / "evalsets" / "tickets.toml").write_text(f"{text[:start]}{metrics}\n{decision}\n{text[end:]}")
    return Lab.open(folder)


def shorter(text: str) -> str:
    """The place of the shorter answer."""
    a, b = text.removeprefix("Better? A: ").split(" B: ")
    return "tie" if len(a) == len(b) else "A" if len(a) < len(b) else "B"


def judges(server: LoopbackServer, judge: object) -> None:
    server.reply = lambda said: judge(said) if said.startswith("Better?") else places.route(said)  # type: ignore[operator] a function of a text


async def finish(lab: Lab, *subjects: str) -> RunTable:
    plan = lab.plan(RunRequest(subjects=subjects or ("triage@v1", "triage@v2")))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    return table


async def test_a_pairwise_metric_decides_by_the_sign_test(folder: Path, server: LoopbackServer) -> None:
    lab = with_metrics(folder, '[[metrics]]\nid = "judge"\nname = "better"\njudge = "better"')
    judges(server, shorter)
    table = await finish(lab)
    verdict = table.verdict("b")
    assert verdict is not None
    assert (verdict.status, verdict.effect, verdict.better, verdict.n) == ("BETTER", 0.5, 8, 8)
    assert verdict.sentence.startswith("BETTER: better is 50.0 points above even (95 % interval +")
    assert "sign test mid-p = 0.004" in verdict.sentence
    assert verdict.method == "sign test mid-p, Bonett–Price interval"
    assert table.mean("a", "better") is None
    mean = table.mean("b", "better")
    assert mean is not None
    assert wording.mean(mean, table.infos["better"]).startswith("100.0 % [")
    assert table.delta("b", table.examples[0].id) == 0.5
    # It is kept with what was said, and judged anew by `score` from the cache alone.
    asked = len(server.asked)
    lab.save(table.run)
    fresh = Lab.open(folder)
    stored = fresh.open_run(table.run)
    again = await fresh.score(table.run, table.metrics)
    await fresh.close()
    await lab.close()
    assert len(server.asked) == asked
    for other in (stored, again):
        found = other.verdict("b")
        assert found is not None
        assert found.status == "BETTER"
        assert len(other.scores("b", table.examples[0].id)["better"].replies) == 2
    (judging,) = judgings(stored)
    assert (judging.calls, judging.pairs, judging.inconsistent, judging.models) == (16, 8, 0, ("api",))
    # The eight answers have three different texts: three pairs in two orders were asked and paid for.
    assert (judging.cached, judging.tokens_in) == (10, 6 * 8)
    assert judging.cost == pytest.approx(6 * (8 * 1.0 + 1 * 2.0) / 1e6)
    assert gates(stored, None, {"better": 0.5}) == []
    assert run_report(stored).judging == (judging,)
    said = example_report(stored, table.examples[0].id).cells[1]
    assert said.details == {"better": "preferred in both orders"}
    assert [wording.said(reply) for reply in said.replies["better"]] == [
        "api, baseline first: 1 — B",
        "api, baseline second: 1 — A",
    ]


async def test_a_judge_that_likes_a_place_proves_nothing(folder: Path, server: LoopbackServer) -> None:
    lab = with_metrics(folder, '[[metrics]]\nid = "judge"\njudge = "better"')
    judges(server, lambda _: "A")
    table = await finish(lab)
    await lab.close()
    verdict = table.verdict("b")
    assert verdict is not None
    assert verdict.status == "INCONCLUSIVE"
    assert verdict.sentence.startswith("INCONCLUSIVE: judge is even on every example")
    assert "8 of 8 pairs inconsistent between orders, taken as ties" in judgings(table)[0].sentence


async def test_equal_answers_are_a_tie_and_nobody_is_asked(folder: Path, server: LoopbackServer) -> None:
    lab = with_metrics(folder, '[[metrics]]\nid = "judge"\njudge = "better"')
    judges(server, lambda _: pytest.fail("asked about two equal answers"))
    plan = lab.plan(RunRequest(subjects=("triage",), again=True))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    await lab.close()
    score = table.scores("b", table.examples[0].id)["judge"]
    assert (score.value, score.detail) == (0.5, "the two answers are the same")


async def test_columns_of_two_runs_are_no_pair(folder: Path, server: LoopbackServer) -> None:
    lab = with_metrics(folder, '[[metrics]]\nid = "judge"\njudge = "better"\n[[metrics]]\nid = "exact"')
    judges(server, shorter)
    table, other = await finish(lab), await finish(lab, "triage@v2", "triage@v1")
    inside, across = lab.compare(f"{table.run}:a", f"{table.run}:b"), lab.compare(table.run, other.run)
    await lab.close()
    assert [verdict.metric for verdict in inside.verdicts] == ["judge", "exact"]
    assert [verdict.metric for verdict in across.verdicts] == ["exact"]
    assert across.notes == ("judge is left out: these two columns were not put before its judge as a pair.",)


async def test_a_guardrail_on_a_preference(folder: Path, server: LoopbackServer) -> None:
    guard = '[decision]\nprimary = "exact"\nguardrails = [{ metric = "judge", margin = 0.1 }]'
    lab = with_metrics(folder, '[[metrics]]\nid = "exact"\n[[metrics]]\nid = "judge"\njudge = "better"', guard)
    judges(server, shorter)
    table = await finish(lab)
    await lab.close()
    (found,) = table.guardrails("b")
    assert (found.status, found.effect) == ("HELD", 0.5)


async def test_a_builtin_criterion_needs_no_file(folder: Path, server: LoopbackServer) -> None:
    lab = with_metrics(folder, '[[metrics]]\nid = "builtin:correctness"\nname = "right"')
    seen: list[Asked] = []

    def grade(said: str) -> str:
        if not said.startswith("What was given:"):
            return places.route(said)
        seen.append(server.asked[-1])
        answer = said.partition("<answer>")[2].partition("</answer>")[0].strip()
        return "5" if answer in places.LABELS else "2"

    server.reply = grade
    table = await finish(lab)
    lab.save(table.run)
    stored = Lab.open(folder).open_run(table.run)
    await lab.close()
    assert stored.verdict("b") is not None
    assert stored.judges["right"].name == "builtin:correctness"
    assert stored.judges["right"].judge == table.judges["right"].judge
    text = seen[0].text
    assert "A right answer, for reference:" in text
    assert "1: wrong in what matters. 5: right in everything it says." in text
    assert "triage" not in text
    assert lab.check() == []


def test_a_builtin_that_is_not_there(folder: Path) -> None:
    lab = with_metrics(folder, '[[metrics]]\nid = "builtin:concisness"')
    with pytest.raises(InvalidFile, match=r"no built-in judge “builtin:concisness”\. Did you mean `builtin:concise"):
        lab.plan(RunRequest(subjects=("triage",)))


async def test_a_jury_is_on_record(folder: Path, server: LoopbackServer) -> None:
    settings = folder / "promptlab.toml"
    second = f'[models.second]\nmodel = "other"\nbase_url = "{server.base_url}"\n'
    settings.write_text(settings.read_text().replace("[models.nano]", second + "[models.nano]"))
    lab = with_metrics(folder, '[[metrics]]\nid = "judge"\njudge = "better"\nmodels = ["api", "second"]')
    judges(server, lambda said: "tie" if server.asked[-1].body["model"] == "other" else shorter(said))
    table = await finish(lab)
    await lab.close()
    score = table.scores("b", table.examples[0].id)["judge"]
    assert (score.value, score.detail) == (0.75, "mean of api 1, second 0.5; they differ by 0.25 (sd)")
    assert " + " in table.judge_models["judge"]
    (judging,) = judgings(table)
    assert (judging.models, judging.calls, judging.spread) == (("api", "second"), 32, 0.25)


@pytest.mark.parametrize(
    ("models", "sentence"),
    [
        ('models = ["api"]', "A jury needs at least two different models. Name one with `model`."),
        ('model = "api"\nmodels = ["api", "nano"]', "A judge is asked of one `model` or of several `models`."),
        ('models = ["api", "nan"]', "There is no model “nan”. Did you mean `nano`? Models here: api, nano."),
        ('model = "nan"', "evalsets/tickets.toml: metrics.judge.model: There is no model “nan”."),
        ('models = ["api", "nano"]\naggregate = "trimmed"', "it needs at least three `models`."),
        ('models = ["api", "nano"]\nweights = { nan = 2 }', "`nan` is none of the `models` of this jury."),
        ('models = ["api", "nano"]\nweights = { nano = 0 }', "Expected a number above 0"),
        (
            'models = ["api", "nano"]\nweights = { nano = 2 }\naggregate = "median"',
            "Weights are of a mean, not of `median`.",
        ),
    ],
)
def test_a_jury_must_be_one(folder: Path, models: str, sentence: str) -> None:
    lab = with_metrics(folder, f'[[metrics]]\nid = "judge"\njudge = "better"\n{models}')
    with pytest.raises(InvalidFile) as fault:
        lab.plan(RunRequest(subjects=("triage",)))
    assert sentence in str(fault.value)
    assert [sentence in str(problem) for problem in lab.check()] == [True], "`promptlab check` says the same"
