"""Chains in the lab: a column like a prompt's; traces saved, opened again, scored by step and summed up."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from loopback import LoopbackServer, status
from msgspec import structs
from places import TICKETS, git

from promptlab.cli.main import cli
from promptlab.errors import InvalidFile, NotFound
from promptlab.lab import Lab, RunTable
from promptlab.lab.comparing import prompt_fields
from promptlab.lab.stepping import steps_of
from promptlab.lab.trace_lines import lines_of, trace_diff, trace_of
from promptlab.lab.values import RunRequest
from promptlab.lab.watching import Watching
from promptlab.models.cache import Cache
from promptlab.runs.values import Ended

CHAIN = """inputs = ["ticket"]
[[steps]]
name = "draft"
prompt = "triage@v1"
inputs = { ticket = "{{ ticket }}" }
[[steps]]
name = "label"
extract = { from = "{{ draft.text }}", regex = "(billing|shipping)" }
[[steps]]
name = "sure"
inputs = { ticket = "{{ ticket }}", label = "{{ label.text }}" }
[steps.vote]
n = 3
[steps.vote.prompt]
params = { temperature = 0.7 }
[[steps.vote.prompt.messages]]
role = "user"
content = "Label ({{ label }}): {{ ticket }}"
"""

ON_DRAFT = '[[metrics]]\nid = "contains"\nname = "drafted"\non = "draft"\n'


@pytest.fixture
def shop(folder: Path) -> Path:
    (folder / "prompts" / "sure.toml").write_text(CHAIN)
    evalset = folder / "evalsets" / "tickets.toml"
    evalset.write_text(evalset.read_text().replace("[decision]", f"{ON_DRAFT}[decision]"))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Ask in steps")
    return folder


async def run(folder: Path, *subjects: str) -> tuple[Lab, RunTable]:
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=subjects))
    table = lab.table(plan)
    async for event in lab.run(plan, table):
        assert not isinstance(event, Ended) or event.state == "complete"
    await lab.close()
    return lab, table


async def test_a_chain_is_a_column_beside_a_prompt(shop: Path, server: LoopbackServer) -> None:
    _, table = await run(shop, "sure", "triage")
    assert [variant.label for variant in table.variants] == ["sure@v1 · api", "triage@v2 · api"]
    # t5 and t8 are "other", which the second step does not find.
    assert [key for key in TICKETS if table.trial_scores("a", key, 0)["exact"].value is None] == ["t5", "t8"]
    failed = table.trace("a", "t5")
    assert failed is not None
    assert failed.failed is not None
    assert failed.failed.step == "label"
    assert [line.state for line in lines_of(failed)] == ["done", "failed", "blocked"]
    assert table.trial_scores("a", "t1", 0)["drafted"].value == 1.0
    assert table.trial_scores("a", "t5", 0)["drafted"].value == 1.0, "the draft is there, whatever came after it"
    assert "no step `draft`" in table.trial_scores("b", "t1", 0)["drafted"].missing
    draft, label, sure = steps_of(table, "a")
    assert (draft.done, draft.failed, draft.calls) == (8, 0, 8)
    assert (label.done, label.failed, label.blocked) == (6, 2, 0)
    assert (sure.done, sure.blocked, sure.calls) == (6, 2, 18)
    assert sure.notes == ("agreement 1.00", "chosen 100.0%, pass@1 100.0%, pass@3 100.0%")
    assert steps_of(table, "b") == []


async def test_traces_are_saved_and_opened_again(shop: Path, server: LoopbackServer) -> None:
    lab, table = await run(shop, "sure")
    lab.save(table.run)
    asked = len(server.asked)
    again = Lab.open(shop).open_run("last")
    for key in TICKETS:
        before, after = table.trace("a", key), again.trace("a", key)
        assert before is not None
        assert after is not None
        assert [(step.step, step.state, step.text) for step in after.steps] == [
            (step.step, step.state, step.text) for step in before.steps
        ]
        assert after.steps[0].messages(0)[0].content == f"What is this about? {TICKETS[key][0]}"
        assert not any(change.spans for change in trace_diff(before, after))
    assert len(server.asked) == asked
    shown = CliRunner().invoke(cli, ["-C", str(shop), "show", "last", "--example", "t1"])
    assert shown.exit_code == 0, shown.output
    assert "✓ draft  prompt" in shown.output
    assert "sample 3 → billing" in shown.output
    summed = CliRunner().invoke(cli, ["-C", str(shop), "show", "last"]).output
    assert "agreement 1.00" in summed


async def test_who_watches_sees_the_scores_of_steps(shop: Path, server: LoopbackServer) -> None:
    lab, table = await run(shop, "sure", "triage")
    watching = Watching(lab, table.run)
    assert not watching.look(), "the run has ended"
    for column in "ab":
        for key in TICKETS:
            assert watching.table.trial_scores(column, key, 0) == table.trial_scores(column, key, 0)
            assert (watching.table.trace(column, key) is None) == (table.trace(column, key) is None)


async def test_an_edited_step_is_another_version_and_a_diff(shop: Path, server: LoopbackServer) -> None:
    await run(shop, "sure")
    asked = len(server.asked)
    path = shop / "prompts" / "sure.toml"
    path.write_text(path.read_text().replace("Label ({{ label }}):", "Label so ({{ label }}):"))
    lab = Lab.open(shop)
    assert lab.subject("sure").version == "*"
    (change,) = prompt_fields(lab.subject("sure@v1").prompt, lab.subject("sure").prompt)
    assert change.field == "steps.sure.prompt.messages[0].content"
    await run(shop, "sure")
    assert len(server.asked) - asked == 18, "the votes of six tickets, and nothing before them"


def test_metrics_that_know_the_answer_are_refused_in_a_step(shop: Path) -> None:
    path = shop / "prompts" / "sure.toml"
    path.write_text(CHAIN.replace("[steps.vote]", '[steps.best_of]\nmetric = { id = "exact" }').replace(
        "steps.vote.", "steps.best_of."))  # fmt: skip
    with pytest.raises(InvalidFile, match="A step cannot use the metric `exact`: it needs more than an answer"):
        Lab.open(shop).plan(RunRequest(subjects=("sure",)))
    (found,) = Lab.open(shop).check()
    assert str(found).startswith("prompts/sure.toml: steps[2].best_of.metric: A step cannot use the metric `exact`")


def test_pinned_references_are_followed_by_check(shop: Path) -> None:
    path = shop / "prompts" / "sure.toml"
    path.write_text(CHAIN.replace("triage@v1", "triage@v9"))
    (found,) = Lab.open(shop).check()
    assert str(found).startswith("prompts/sure.toml:4: steps[0].prompt: The prompt `triage@v9` cannot be used: There")


def test_a_stage_that_nothing_is_on_is_said_to_be_one(shop: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing is on the stage production.*`promptlab promote sure@v1 production`"):
        Lab.open(shop).subject("sure@production")
    with pytest.raises(NotFound, match=r"There is no commit 'main~99'"):
        Lab.open(shop).subject("sure@main~99")


async def test_what_a_chain_uses_is_part_of_its_versions(shop: Path, server: LoopbackServer) -> None:
    path = shop / "prompts" / "sure.toml"
    path.write_text(path.read_text().replace('"triage@v1"', '"triage"'))
    git(shop, "commit", "-qam", "Follow the prompt")
    lab, table = await run(shop, "sure")
    lab.save(table.run)
    used = shop / "prompts" / "triage.toml"
    used.write_text(used.read_text().replace("Label this", "Label it"))
    edited = Lab.open(shop)
    assert [version.label for version in edited.versions("sure")] == ["v1", "v2"]
    assert edited.subject("sure").version == "*", "it uses what is not committed"
    assert [past.edited for past in edited.pasts(["sure", "triage"])] == [
        "what it uses is edited, not committed",
        "edited, not committed",
    ]
    own = path.read_text()
    path.write_text(f"# mine\n{own}")
    assert edited.past("sure").edited == "edited, not committed"
    path.write_text(own)
    git(shop, "commit", "-qam", "Ask nicely")
    lab = Lab.open(shop)
    first, second, third = lab.versions("sure")
    assert (third.label, third.subject) == ("v3", "Ask nicely")
    assert lab.subject("sure").version == "v3"
    assert lab.subject("sure@v2").prompt.content == second.content == table.variants[0].content
    assert lab.subject(f"sure@{third.content}").prompt.content == third.content
    assert [one is not None for one in lab.past("sure").trend] == [False, True, False]
    assert lab.promote("sure@v2", "production", table.run).content == second.content
    assert lab.subject("sure@production").version == "v2"
    assert lab.tag("sure@v3").content == third.content
    (change,) = prompt_fields(lab.subject("sure@v2").prompt, lab.subject("sure@v3").prompt)
    assert change.field == "steps.draft.prompt.messages[0].content"
    assert {line.version for line in lab.blame("sure").lines} <= {first.label, second.label}
    assert [version.label for version in lab.on_branch("sure")] == ["v1", "v2", "v3"]


def test_a_version_that_used_what_does_not_load_has_no_number(shop: Path) -> None:
    path, used = shop / "prompts" / "sure.toml", shop / "prompts" / "triage.toml"
    path.write_text(path.read_text().replace('"triage@v1"', '"triage"'))
    git(shop, "commit", "-qam", "Follow the prompt")
    whole = used.read_text()
    used.write_text("messages = 1")
    git(shop, "commit", "-qam", "Break it")
    used.write_text(whole)
    git(shop, "commit", "-qam", "Mend it")
    lab = Lab.open(shop)
    assert [version.label for version in lab.versions("sure") if version.number] == ["v1", "v2"]
    (broken,) = [version for version in lab.versions("sure") if version.error]
    assert "The prompt `triage` does not load" in broken.error
    assert lab.subject("sure").version == "v2"


def test_threads_that_read_the_same_past_get_the_same_versions(shop: Path) -> None:
    lab = Lab.open(shop)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lab.versions, ["sure"] * 24))
    assert read == [lab.versions("sure")] * 24
    assert [version.label for version in read[0]] == ["v1"]


def test_a_chain_that_uses_a_version_of_itself_is_refused(shop: Path) -> None:
    path = shop / "prompts" / "sure.toml"
    path.write_text(path.read_text().replace('"triage@v1"', '"sure@v1"'))
    with pytest.raises(InvalidFile, match="is a chain, and a step asks one prompt"):
        Lab.open(shop).subject("sure")


async def test_what_a_pinned_reference_names_need_not_be_on_disk(shop: Path, server: LoopbackServer) -> None:
    """The step asks triage@v1, whose file is gone from the working copy."""
    (shop / "prompts" / "triage.toml").unlink()
    lab, table = await run(shop, "sure")
    assert table.trace("a", "t1") is not None
    lab.save(table.run)


async def test_failed_chains_are_asked_again_where_they_failed(shop: Path, server: LoopbackServer) -> None:
    broken = [f"Label (billing): {TICKETS[key][0]}" for key in ("t1", "t3")]
    server.rule = lambda asked: status(400, "not today") if asked.text in broken else None
    lab, table = await run(shop, "sure", "triage")
    lab.save(table.run)
    server.rule = None
    asked = len(server.asked)
    lab = Lab.open(shop)
    plan, journal = lab.retry(table.run)
    again = lab.table(plan)
    async for _ in lab.run(plan, again, journal=journal, cache=Cache(fresh=True)):
        pass
    await lab.close()
    assert again.run != table.run, "the one that is saved stays as it is"
    assert {one.text for one in server.asked[asked:]} == set(broken), "and nothing of the steps before"
    assert len(server.asked) - asked == 6
    failed = {key for key in TICKETS if (found := again.outcome("a", key)) is None or found.fault}
    assert failed == {"t5", "t8"}, "no service failed them: the label is not there"
    for key in TICKETS:
        before, after = table.trace("a", key), again.trace("a", key)
        assert before is not None
        assert after is not None
        assert key in ("t1", "t3") or [step.text for step in after.steps] == [step.text for step in before.steps]


async def test_two_columns_step_by_step(shop: Path, server: LoopbackServer) -> None:
    path = shop / "prompts" / "sure.toml"
    path.write_text(path.read_text().replace("Label ({{ label }}):", "Label so ({{ label }}):"))
    _, table = await run(shop, "sure@v1", "sure", "triage")
    before, after = trace_of(table, "a", "t1"), trace_of(table, "b", "t1")
    assert [(change.step, change.said) for change in trace_diff(before, after)] == [
        ("draft", ""),
        ("label", ""),
        ("sure", "asked otherwise, answered the same"),
    ]
    short = structs.replace(after, steps=after.steps[:1])
    assert [change.said for change in trace_diff(before, short)] == ["", "gone", "gone"]
    assert [change.said for change in trace_diff(short, after)] == ["", "new", "new"]
    assert [change.said for change in trace_diff(trace_of(table, "a", "t5"), after)] == [
        "asked otherwise, answered otherwise",
        "failed → done",
        "blocked → done",
    ]

    def steps(*words: str) -> str:
        return CliRunner().invoke(cli, ["-C", str(shop), "steps", *words]).output

    assert "asked user: Label {+so +}(billing): I was charged twice." in steps("t1", "last:a", "last:b")
    assert "✓ ✓  draft  the same" in steps("t1", "last:a", "last:b")
    assert "– sure  vote  It needs the step `label`, which failed." in steps("t5", "last:b")
    assert json.loads(steps("t1", "last:a", "last:b", "--json"))["diff"]["steps"][2]["step"] == "sure"
    for words, sentence in (
        (("t1", "last:c"), "is no chain, so it has no steps."),
        (("t11", "last:a"), "has no example “t11”. Did you mean `t1`?"),
        (("t1", "last:a", "--trial", "2"), "has 1 trial: there is no 2."),
    ):
        result = CliRunner().invoke(cli, ["-C", str(shop), "steps", *words])
        assert sentence in str(result.exception), words


async def test_chains_without_an_answer_are_part_of_an_estimate(shop: Path, server: LoopbackServer) -> None:
    lab = Lab.open(shop)
    found = await lab.estimate(lab.plan(RunRequest(subjects=("sure",))))
    await lab.close()
    assert found is not None
    assert (found.failed, found.sampled, found.cells) == ("", 8, 0), "t5 and t8 were asked, and failed at a step"
