"""Set-level metrics, parts of the examples and the confusion matrix, on a real run."""

from __future__ import annotations

import math
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer
from msgspec import structs
from sklearn.metrics import f1_score

from promptlab.compare.intervals import mean_interval
from promptlab.errors import InvalidFile, UsageFault
from promptlab.lab import Lab, RunTable
from promptlab.lab.measuring import within
from promptlab.lab.parts import breakdown, confusion
from promptlab.lab.values import RunRequest
from promptlab.scoring.values import MetricInfo

LABELS = '[[metrics]]\nid = "macro_f1"\n[[metrics]]\nid = "exact"\n[decision]\nprimary = "macro_f1"\n'


def label_metrics(folder: Path) -> None:
    text = places.evalset_text()
    start, end = text.index("[[metrics]]"), text.index("[[examples]]")
    (folder / "evalsets" / "tickets.toml").write_text(text[:start] + LABELS + text[end:])


async def finish(folder: Path, *subjects: str) -> RunTable:
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=subjects))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    await lab.close()
    return table


async def test_a_set_level_metric_can_decide(folder: Path, server: LoopbackServer) -> None:
    label_metrics(folder)
    table = await finish(folder, "triage@v1", "triage")
    mean = table.mean("b", "macro_f1")
    assert mean is not None
    assert (mean.mean, mean.method) == (1.0, "percentile bootstrap")
    assert table.value("a", "t1") == 0.0
    verdict = table.verdict("b")
    assert verdict is not None
    assert (verdict.status, verdict.effect, verdict.better) == ("BETTER", 1.0, 8)


async def test_it_is_the_f1_of_scikit_learn(folder: Path, server: LoopbackServer) -> None:
    label_metrics(folder)
    server.reply = lambda text: "billing" if "parcel" in text else "Other." if "job" in text else places.route(text)
    table = await finish(folder, "triage")
    right = [label for _, label in places.TICKETS.values()]
    said = ["billing" if id == "t2" else right[at] for at, id in enumerate(places.TICKETS)]
    mean = table.mean("a", "macro_f1")
    assert mean is not None
    assert mean.mean == pytest.approx(f1_score(right, said, average="macro"))
    found = confusion(table, "a")
    assert found.labels == ("billing", "shipping", "other")
    assert found.counts == ((3, 0, 0, 0), (1, 2, 0, 0), (0, 0, 2, 0))


async def test_answers_that_are_no_label_have_a_column_of_their_own(folder: Path) -> None:
    table = await finish(folder, "triage@v1")  # scored by exact, which reads labels too
    assert confusion(table, "a").counts == ((0, 0, 0, 3), (0, 0, 0, 3), (0, 0, 0, 2))


async def test_parts_of_the_examples(folder: Path) -> None:
    table = await finish(folder, "triage@v1", "triage")
    found = breakdown(table, "tag")
    assert [(part.value, part.column, part.examples) for part in found.parts] == [
        ("billing", "a", 3),
        ("billing", "b", 3),
        ("shipping", "a", 3),
        ("shipping", "b", 3),
        ("other", "a", 2),
        ("other", "b", 2),
    ]
    billing = found.parts[1]
    assert billing.mean is not None
    assert (billing.mean.mean, billing.mean.n, billing.better, billing.worse) == (1.0, 3, 3, 0)
    assert billing.effect is not None
    assert billing.effect[0] == 1.0
    assert found.parts[0].effect is None
    with pytest.raises(UsageFault, match=r"^No example of this run has a group\.$"):
        breakdown(table, "group")
    with pytest.raises(UsageFault, match=r"^The run has no metric “f1”\. Its metrics: exact, contains, latency\.$"):
        breakdown(table, "tag", "f1")


async def test_an_eval_set_without_metrics_gets_those_of_its_examples(folder: Path) -> None:
    text = places.evalset_text()
    (folder / "evalsets" / "tickets.toml").write_text(
        'description = "Eight tickets"\n' + text[text.index("[[examples]]") :]
    )
    table = await finish(folder, "triage@v1", "triage")
    assert list(table.infos)[:3] == ["exact", "exact_norm", "contains"]
    assert table.primary == "exact"


def test_no_guardrail_is_on_a_metric_of_the_whole_column(folder: Path) -> None:
    label_metrics(folder)
    path = folder / "evalsets" / "tickets.toml"
    guarded = 'primary = "exact"\nguardrails = [{ metric = "macro_f1", margin = 0.1 }]\n'
    path.write_text(path.read_text().replace('primary = "macro_f1"\n', guarded))
    with pytest.raises(InvalidFile, match="`macro_f1` is a metric of the whole column, which no guardrail can be on"):
        Lab.open(folder).plan(RunRequest(subjects=("triage",)))


async def test_an_a_a_run_says_that_it_is_chance(folder: Path, server: LoopbackServer) -> None:
    turns = iter(range(10_000))
    server.reply = lambda text: places.route(text) if next(turns) % 3 else "billing"
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=("triage",), again=True))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    await lab.close()
    assert [variant.params.seed for variant in table.variants] == [0, 1_000_000]
    assert len({cell.key for cell in plan.cells}) == 16
    assert (table.is_again("a"), table.is_again("b")) == (False, True)
    verdict = table.verdict("b")
    assert verdict is not None
    assert verdict.notes[-1].startswith("This is an A/A run: the same prompt and model with other seeds.")
    with pytest.raises(UsageFault, match=r"^An A/A run compares a subject with itself: name one\.$"):
        lab.plan(RunRequest(subjects=("triage@v1", "triage"), again=True))


async def test_a_corpus_metric_is_no_mean(folder: Path) -> None:
    path = folder / "evalsets" / "tickets.toml"
    text = path.read_text().replace("expected = ", "reference = ")
    metrics = '[[metrics]]\nid = "chrf"\n[[metrics]]\nid = "bleu"\n[[metrics]]\nid = "ter"\n'
    path.write_text(metrics + text[text.index("[[examples]]") :])
    table = await finish(folder, "triage@v1", "triage")
    means = {metric: table.mean("b", metric) for metric in table.infos}
    assert {metric: mean.mean for metric, mean in means.items() if mean} == {"chrf": 100.0, "bleu": 0.0, "ter": 0.0}
    errors = table.verdict("b", "ter")
    assert errors is not None
    assert (errors.status, errors.better) == ("BETTER", 8)
    with pytest.raises(UsageFault, match="The run has no metric of labels"):
        confusion(table, "b")


async def test_trials_together_are_no_mean_of_trials(folder: Path, server: LoopbackServer) -> None:
    path = folder / "evalsets" / "tickets.toml"
    more = "".join(
        f'[[metrics]]\nid = "{id}"\n{options}'
        for id, options in (("pass_at_k", "k = 2\n"), ("pass_hat_k", "k = 2\n"), ("vote", ""), ("agreement", ""))
    )
    path.write_text(path.read_text().replace("[decision]", f"{more}[decision]"))
    turns: dict[str, int] = {}

    def reply(text: str) -> str:
        turns[text] = turns.get(text, 0) + 1
        return "billing" if turns[text] == 1 else places.route(text)

    server.reply = reply
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=("triage",), trials=3))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    saved = lab.save(table.run)
    await lab.close()
    for found in (table, Lab.open(folder).open_run(saved.tag)):
        values = {name: found.value("a", "t2", name) for name in table.infos if name != "latency"}
        assert values["exact"] == pytest.approx(2 / 3)
        assert values["pass_at_k"] == 1.0
        assert values["pass_hat_k"] == pytest.approx(1 / 3)
        assert values["vote"] == 1.0
        assert values["agreement"] == pytest.approx(2 / 3)
        assert found.value("a", "t1", "agreement") == 1.0
    once = await finish(folder, "triage")
    assert once.scores("a", "t1")["pass_at_k"].missing == "k = 2 needs 2 trials with a score, and there are 1 (-k)"
    assert once.scores("a", "t1")["exact"].value == 1.0


async def test_what_more_trials_would_do_is_said(folder: Path, server: LoopbackServer) -> None:
    turns: dict[str, int] = {}

    def reply(text: str) -> str:
        turns[text] = turns.get(text, 0) + 1
        return places.route(text) if (turns[text] + len(text)) % 2 else "I cannot say."

    server.reply = reply
    path = folder / "prompts" / "triage.toml"
    path.write_text(path.read_text().replace("Label this as", "Label this as one of"))
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=("triage@v2", "triage"), trials=4))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    await lab.close()
    verdict = table.verdict("b")
    assert verdict is not None
    assert verdict.status == "INCONCLUSIVE"
    told = [note for note in verdict.notes if "trials" in note]
    assert told == ["Or about 1636 trials of each of these examples."]


def test_no_mean_is_beyond_its_scale() -> None:
    values = [5.0] * 19 + [4.0]
    grade = MetricInfo("judge", "max", "numeric", 1.0, 5.0, "", "", 1, "")
    found = mean_interval(values, "numeric")
    assert found.high > 5
    assert within(found, grade) == structs.replace(found, high=5.0)
    assert within(found, structs.replace(grade, low=None, high=None)) == found
    single = within(mean_interval([4.0], "numeric"), grade)
    assert (single.mean, single.method) == (4.0, "no interval from 1 value")
    assert math.isnan(single.low)
    assert math.isnan(single.high)
