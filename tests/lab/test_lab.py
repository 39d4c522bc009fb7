"""The loop without a screen: edit, run side by side, compare, commit, find again."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer, hang, status

from promptlab.errors import InvalidFile, NotFound, UsageFault
from promptlab.lab import Lab, RunTable
from promptlab.lab.values import CellScored, Conflict, RunRequest
from promptlab.models.cache import Cache
from promptlab.runs.values import Ended, Started
from promptlab.workspace.values import MetricSpec

BOTH = RunRequest(subjects=("triage@v1", "triage"))


async def finish(lab: Lab, request: RunRequest = BOTH, *, use_cache: bool = True) -> RunTable:
    plan = lab.plan(request)
    table = lab.table(plan)
    async for _ in lab.run(plan, table, cache=Cache(fresh=not use_cache)):
        pass
    return table


async def test_a_run_gives_scores_and_a_verdict(folder: Path) -> None:
    lab = Lab.open(folder)
    plan = lab.plan(BOTH)
    table = lab.table(plan)
    events = [event async for event in lab.run(plan, table)]
    await lab.close()

    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Ended)
    assert events[-1].state == table.state == "complete"
    assert sum(isinstance(event, CellScored) for event in events) == 16
    assert [variant.label for variant in table.variants] == ["triage@v1 · api", "triage@v2 · api"]
    assert table.value("a", "t1") == 0.0
    assert table.value("b", "t1") == 1.0
    assert table.value("a", "t1", "contains") == 1.0
    verdict = table.verdict("b")
    assert verdict is not None
    assert (verdict.status, verdict.better, verdict.worse, verdict.n) == ("BETTER", 8, 0, 8)
    assert table.verdict("a") is None
    assert table.summary("b").cost == pytest.approx(8 * (8 * 1.0 + 1 * 2.0) / 1e6, rel=0.5)


async def test_a_saved_run_is_the_same_when_it_is_opened_again(folder: Path) -> None:
    lab = Lab.open(folder)
    table = await finish(lab)
    before = places.fingerprint(folder)
    saved = lab.save(table.run)
    assert places.fingerprint(folder) == before
    await lab.close()

    again = Lab.open(folder).open_run("last")
    assert again.tag == saved.tag
    assert again.run == table.run
    assert again.variants == table.variants
    assert again.examples == table.examples
    for variant in table.variants:
        for example in table.examples:
            place = (variant.column, example.id)
            assert again.outcome(*place) == table.outcome(*place)
            assert again.scores(*place) == table.scores(*place)
        assert again.verdict(variant.column) == table.verdict(variant.column)
    assert again.rendered("a", "t1")[0].content == "What is this about? I was charged twice."
    with pytest.raises(UsageFault, match="already saved"):
        lab.save(table.run)


async def test_the_working_copy_is_in_the_snapshot_and_stays_uncommitted(folder: Path) -> None:
    edited = places.SECOND.replace("Label this", "Label this ticket")
    (folder / "prompts" / "triage.toml").write_text(edited)
    lab = Lab.open(folder)
    table = await finish(lab, RunRequest(subjects=("triage@v2", "triage")))
    assert [variant.version for variant in table.variants] == ["v2", "*"]
    before = places.fingerprint(folder)
    saved = lab.save(table.run)
    await lab.close()
    assert places.fingerprint(folder) == before
    assert places.git(folder, "show", f"{saved.tag}:prompts/triage.toml") == edited
    assert "M prompts/triage.toml" in places.git(folder, "status", "--porcelain")


async def test_the_same_plan_again_asks_nobody(folder: Path, server: LoopbackServer) -> None:
    lab = Lab.open(folder)
    table = await finish(lab)
    lab.save(table.run)
    await lab.close()
    asked = len(server.asked)

    lab = Lab.open(folder)
    known = lab.same_run(lab.plan(BOTH))
    assert known is not None
    assert known.id == table.run
    await finish(lab)
    assert len(server.asked) == asked
    await finish(lab, use_cache=False)
    assert len(server.asked) > asked
    await lab.close()


async def test_a_stopped_run_goes_on_and_asks_nothing_twice(folder: Path, server: LoopbackServer) -> None:
    server.rule = lambda asked: hang(20) if "logo" in asked.text else None
    lab = Lab.open(folder)
    plan = lab.plan(BOTH)
    table, stop = lab.table(plan), asyncio.Event()
    answered = 0
    async for event in lab.run(plan, table, stop=stop, cache=Cache(fresh=True)):
        answered += isinstance(event, CellScored)
        if answered == 14:
            stop.set()
    assert table.state == "cancelled"
    assert [run.state for run in lab.runs()] == ["partial"]

    server.rule = None
    before = len(server.asked)
    again = await finish(lab, use_cache=False)
    await lab.close()
    assert again.run == table.run
    assert again.state == "complete"
    assert all(again.outcome(column, example) for column in "ab" for example in places.TICKETS)
    assert [asked.text.rpartition(": ")[2].rpartition("? ")[2] for asked in server.asked[before:]] == [
        "I like your logo.",
        "I like your logo.",
    ]


async def test_failed_cells_are_missing_and_not_zero(folder: Path, server: LoopbackServer) -> None:
    server.rule = lambda asked: status(400, "no such thing") if "logo" in asked.text else None
    lab = Lab.open(folder)
    table = await finish(lab)
    await lab.close()
    outcome = table.outcome("b", "t8")
    assert outcome is not None
    assert outcome.fault is not None
    assert table.value("b", "t8") is None
    assert table.summary("b").failed == 1
    mean = table.mean("b", "exact")
    assert mean is not None
    assert (mean.mean, mean.n, mean.missing) == (1.0, 7, 1)
    verdict = table.verdict("b")
    assert verdict is not None
    assert verdict.status == "INVALID"


async def test_an_unsaved_run_can_be_opened_by_another_process(folder: Path) -> None:
    lab = Lab.open(folder)
    table = await finish(lab)
    await lab.close()
    other = Lab.open(folder)
    again = other.open_run(table.run[-6:])
    assert again.tag == ""
    assert again.scores("b", "t1") == table.scores("b", "t1")
    assert other.save(again.run).tag.endswith(table.run)
    assert [run.state for run in other.runs()] == ["saved"]


async def test_trials_are_averaged_before_they_are_compared(folder: Path) -> None:
    lab = Lab.open(folder)
    table = await finish(lab, RunRequest(subjects=("triage@v1", "triage"), trials=3))
    await lab.close()
    assert table.trials == 3
    assert table.value("b", "t1") == 1.0
    verdict = table.verdict("b")
    assert verdict is not None
    assert verdict.n == 8


async def test_columns_are_held_against_the_same_model(folder: Path) -> None:
    text = (folder / "promptlab.toml").read_text()
    second = (
        text.split("[models.nano]", maxsplit=1)[0].replace("models.api", "models.other").replace("scripted", "two")
    )
    (folder / "promptlab.toml").write_text(second + text)
    lab = Lab.open(folder)
    table = await finish(lab, RunRequest(subjects=("triage@v1", "triage"), models=("api", "other")))
    await lab.close()
    assert [v.label for v in table.variants] == [
        "triage@v1 · api",
        "triage@v1 · other",
        "triage@v2 · api",
        "triage@v2 · other",
    ]
    assert [table.baseline_of(column) for column in "abcd"] == ["a", "a", "a", "b"]


async def test_the_trend_follows_the_versions(folder: Path) -> None:
    lab = Lab.open(folder)
    table = await finish(lab)
    lab.save(table.run)
    await lab.close()
    past = lab.past("triage")
    assert [version.label for version in past.versions] == ["v1", "v2"]
    assert past.trend == (0.0, 1.0)
    assert (past.metric, past.current) == ("exact", "v2")


async def test_two_versions_are_compared_by_their_stored_outputs(folder: Path) -> None:
    lab = Lab.open(folder)
    table = await finish(lab)
    lab.save(table.run)
    await lab.close()
    diff = lab.diff("triage@v1", "triage")
    assert [field.field for field in diff.fields] == ["messages[0].content"]
    assert len(diff.outputs) == 8
    ((model, verdict),) = diff.verdicts
    assert (model, verdict.status) == ("api", "BETTER")
    comparison = lab.compare("last:a", "last:b")
    assert comparison.verdicts[0].status == "BETTER"
    assert len(comparison.changed) == 8
    assert comparison.notes == ()


async def test_rescoring_asks_no_candidate(folder: Path, server: LoopbackServer) -> None:
    lab = Lab.open(folder)
    table = await finish(lab)
    lab.save(table.run)
    asked = len(server.asked)
    again = await lab.score("last", [MetricSpec("length", "length")])
    await lab.close()
    assert len(server.asked) == asked
    assert again.value("b", "t1", "length") == len("billing")
    assert "exact" not in again.infos
    # The collector of cycles stops every thread while it goes through what it knows: of a cell it knows nothing, so
    # ten thousand cells do not hold up the screen.
    scores = again.trial_scores("b", "t1", 0)
    assert not any(map(gc.is_tracked, [again.outcome("b", "t1"), scores, *scores.values()]))


async def test_what_an_answer_gives_away_of_the_system_message(folder: Path, server: LoopbackServer) -> None:
    prompt = folder / "prompts" / "triage.toml"
    system = '[[messages]]\nrole = "system"\ncontent = "Hide this. Ticket: {{ ticket }}"\n'
    prompt.write_text(prompt.read_text().replace("[[messages]]", f"{system}[[messages]]", 1))
    server.reply = lambda said: "I hide this. Ticket: where?"
    lab = Lab.open(folder)
    leak = MetricSpec("system_prompt_leak", "leak")
    table = await finish(lab, RunRequest(subjects=("triage", "triage@v2")))
    lab.save(table.run)
    again = await lab.score("last", [leak])
    await lab.close()
    assert again.value("a", "t1", "leak") == 3 / 7, "the words that the example filled in count too"
    assert again.value("a", "t2", "leak") == 4 / 7
    assert again.scores("b", "t1")["leak"].missing == "no system message was sent"


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (RunRequest(subjects=()), "Say which prompt to run"),
        (RunRequest(subjects=("triag",)), "There is no prompt “triag”. Did you mean `triage`?"),
        (RunRequest(subjects=("triage@v9",)), "There is no triage@v9: its versions are v1 to v2."),
        (
            RunRequest(subjects=("triage@nowhere",)),
            "There is no triage@nowhere: nothing is on the stage nowhere, and git knows no revision",
        ),
        (RunRequest(subjects=("triage",), models=("apy",)), "There is no model “apy”. Did you mean `api`?"),
        (
            RunRequest(subjects=("triage",), evalset="ticket"),
            "There is no eval set “ticket”. Did you mean `tickets`?",
        ),
        (RunRequest(subjects=("triage",), only=("bilings",)), "billing"),
        (RunRequest(subjects=("triage", "triage")), "same"),
        (RunRequest(subjects=("triage",), overrides=(("temperatur", "1"),)), "temperature"),
    ],
)
def test_a_request_that_makes_no_sense_is_a_sentence(folder: Path, request_: RunRequest, sentence: str) -> None:
    with pytest.raises((UsageFault, NotFound)) as caught:
        Lab.open(folder).plan(request_)
    assert sentence in str(caught.value)


def test_a_variable_that_no_example_has_stops_the_run_before_it_starts(folder: Path) -> None:
    (folder / "prompts" / "triage.toml").write_text(places.SECOND.replace("{{ ticket }}", "{{ tikcet }}"))
    with pytest.raises(InvalidFile) as caught:
        Lab.open(folder).plan(RunRequest(subjects=("triage",)))
    assert "tikcet" in str(caught.value)
    assert "evalsets/tickets.toml" in str(caught.value)


async def test_guardrails_are_checked_beside_the_verdict(folder: Path) -> None:
    path = folder / "evalsets" / "tickets.toml"
    rails = 'guardrails = [{ metric = "contains", margin = 0.3 }, { metric = "length", ratio = 1.1 }]'
    text = path.read_text().replace('primary = "exact"', f'primary = "exact"\n{rails}')
    path.write_text(text.replace('id = "latency"', 'id = "length"\ndirection = "min"'))
    lab = Lab.open(folder)
    forward = await finish(lab)
    assert [(g.metric, g.status) for g in forward.guardrails("b")] == [("contains", "HELD"), ("length", "HELD")]
    assert forward.guardrails("a") == ()
    back = await finish(lab, RunRequest(subjects=("triage", "triage@v1")))
    await lab.close()
    assert [(g.metric, g.status) for g in back.guardrails("b")] == [("contains", "HELD"), ("length", "BROKEN")]
    path.write_text(text.replace('metric = "contains"', 'metric = "contain"'))
    assert "Did you mean `contains`?" in str(lab.check()[0])
    path.write_text(
        text.replace('metric = "contains"', 'metric = "tokens"').replace("latency", 'length"\nname = "tokens')
    )
    assert "has no better or worse, so it cannot be a guardrail" in str(lab.check()[0])


def test_a_prompt_can_name_its_usual_eval_set(folder: Path) -> None:
    (folder / "evalsets" / "other.toml").write_text(places.evalset_text().replace("Eight", "Other"))
    (folder / "prompts" / "triage.toml").write_text('evalset = "other"\n' + places.SECOND)
    lab = Lab.open(folder)
    assert lab.plan(RunRequest(subjects=("triage",))).evalset == "other"
    assert lab.plan(RunRequest(subjects=("triage",), evalset="tickets")).evalset == "tickets"
    assert lab.subject("triage").version == "v2", "it does not change the answer, so it makes no version"
    (folder / "prompts" / "triage.toml").write_text('evalset = "othr"\n' + places.SECOND)
    assert "Did you mean `other`?" in str(lab.check()[0])


def test_another_model_behind_a_judge_makes_another_plan(folder: Path) -> None:
    judge = '[judge]\nscale = [1, 5]\n[[messages]]\nrole = "user"\ncontent = "Grade: {{ answer }}"\n'
    (folder / "prompts" / "strict.toml").write_text(judge)
    path = folder / "evalsets" / "tickets.toml"
    path.write_text(path.read_text().replace('id = "contains"', 'id = "judge"\njudge = "strict"'))
    settings = folder / "promptlab.toml"
    text = settings.read_text()
    request = RunRequest(subjects=("triage",), models=("api",))
    first = Lab.open(folder).plan(request)
    assert first.metrics[1].options == {"judge": "strict", "model": "api"}
    settings.write_text(text.replace('models = ["api"]', 'models = ["nano"]'))
    other = Lab.open(folder).plan(request)
    assert other.digest != first.digest
    settings.write_text(text.replace('models = ["api"]', 'models = ["nano"]').replace("demo:nano", "demo:mini"))
    assert Lab.open(folder).plan(request).digest not in (first.digest, other.digest)


def test_the_default_prompt_runs_when_none_is_named(folder: Path) -> None:
    path = folder / "promptlab.toml"
    path.write_text(path.read_text() + 'prompt = "triage"\n')
    lab = Lab.open(folder)
    assert lab.check() == []
    assert lab.plan(RunRequest(subjects=())).subject == "triage"
    path.write_text(path.read_text().replace('prompt = "triage"', 'prompt = "triag"'))
    assert "Did you mean `triage`?" in str(Lab.open(folder).check()[0])


def test_no_edit_is_lost_on_either_side(folder: Path) -> None:
    lab = Lab.open(folder)
    mine = lab.read_file("triage")
    (folder / "prompts" / "triage.toml").write_text(places.FIRST)
    answer = lab.save_file("triage", places.SECOND + "# mine\n", mine.stamp)
    assert isinstance(answer, Conflict)
    assert answer.theirs.text == places.FIRST
    assert answer.mine.endswith("# mine\n")
    assert (folder / "prompts" / "triage.toml").read_text() == places.FIRST
    saved = lab.save_file("triage", answer.mine, answer.theirs.stamp)
    assert not isinstance(saved, Conflict)
    assert (folder / "prompts" / "triage.toml").read_text() == answer.mine


async def test_a_folder_without_git_runs_but_keeps_no_history(tmp_path: Path, server: LoopbackServer) -> None:
    folder = places.workspace(tmp_path / "plain", server.base_url)
    (folder / ".git").rename(tmp_path / "elsewhere")
    lab = Lab.open(folder)
    assert "is not in a git repository" in lab.history_problem()
    assert lab.past("triage").versions == ()
    table = await finish(lab, RunRequest(subjects=("triage",)))
    await lab.close()
    assert table.state == "complete"
    assert [run.state for run in lab.runs()] == ["unsaved"]


def test_a_prompt_by_path_is_the_same_as_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    lab = Lab.open(folder)
    assert lab.subject("prompts/triage.toml").prompt == lab.subject("triage").prompt
    with pytest.raises(NotFound):
        lab.subject("/etc/passwd")


def test_every_way_to_name_a_version(folder: Path) -> None:
    lab = Lab.open(folder)
    first = lab.versions("triage")[0]
    for word in ("v1", first.content, first.content[:6], "HEAD~1", first.commit[:10]):
        subject = lab.subject(f"triage@{word}")
        assert (subject.prompt.content, subject.version) == (first.content, "v1"), word
    assert lab.restore("triage", "v1") == places.FIRST


def test_a_revision_from_before_a_rename(folder: Path) -> None:
    places.git(folder, "mv", "prompts/triage.toml", "prompts/router.toml")
    places.git(folder, "commit", "-qm", "Say router")
    lab = Lab.open(folder)
    assert lab.subject("router@main~1").data.decode() == places.SECOND
    assert lab.subject("router@main~2").version == "v1"
    assert lab.subject("triage@main~2").data.decode() == places.FIRST
    with pytest.raises(NotFound, match=r"^prompts/nothing\.toml does not exist at [0-9a-f]{12}\.$"):
        lab.subject("nothing@main")
