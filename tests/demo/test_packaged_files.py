"""The example workspace: it loads, it says what it measures, and its figures are those of the packaged models."""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from promptlab import demo
from promptlab.history.repository import Repository
from promptlab.history.versions import version_bytes, versions
from promptlab.models.registry import open_model
from promptlab.models.values import Request
from promptlab.scoring.catalogue import validate
from promptlab.scoring.questions import questions
from promptlab.scoring.values import JudgeItem
from promptlab.workspace.folder import Workspace, check
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.settings_values import ModelEntry
from promptlab.workspace.templates import render, variables_of
from promptlab.workspace.values import Example, Prompt

REPOSITORY = Path(__file__).parents[2]
TOOLS = REPOSITORY / "tools" / "demo_model"
LABELS = {"billing", "shipping", "technical", "account", "other"}


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    return Workspace.open(REPOSITORY)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "copy"
    demo.create(folder)
    return folder


def past(copy: Path, name: str) -> list[Prompt]:
    """The versions of a prompt, oldest first, as a copy's git history has them."""
    repo = Repository.open(copy)
    found = versions(repo, name, f"prompts/{name}.toml")
    texts = version_bytes(repo, found)
    return [parse_prompt(texts[version.blob], name, version.path) for version in found]


@pytest.fixture
def ladder(copy: Path) -> list[Prompt]:
    return past(copy, "triage")


def test_there_is_nothing_to_complain_about(workspace: Workspace) -> None:
    assert check(workspace) == []
    assert workspace.prompt_names() == [
        "fields",
        "judges/better",
        "judges/polite",
        "order",
        "reply",
        "respond",
        "triage",
        "triage_vote",
    ]
    assert workspace.evalset_names() == ["fields", "orders", "pairs", "replies", "responses", "support"]
    assert {name: entry.gguf for name, entry in workspace.settings.models.items()} == {
        "mini": "demo:mini",
        "nano": "demo:nano",
    }


@pytest.mark.parametrize(
    ("name", "prompt"), [("support", "triage"), ("orders", "order"), ("replies", "reply"), ("fields", "fields")]
)
def test_an_eval_set_is_large_tagged_and_fits_its_prompt(workspace: Workspace, name: str, prompt: str) -> None:
    evalset = workspace.load_evalset(name)
    assert len(evalset.examples) >= 60
    assert all(example.expected and example.tags and example.group for example in evalset.examples)
    assert len({example.vars["ticket"] for example in evalset.examples}) == len(evalset.examples)
    assert all(set(example.vars) == variables_of(workspace.load_prompt(prompt)) for example in evalset.examples)
    assert [problem for spec in evalset.metrics for problem in validate(spec, evalset.source)] == []
    assert evalset.decision.primary in {metric.name for metric in evalset.metrics}
    assert evalset.decision.cluster_by == "group"
    assert len({example.group for example in evalset.examples}) >= 20


def test_the_labels_are_those_of_the_contract(workspace: Workspace) -> None:
    output = workspace.load_prompt("triage").output
    assert output is not None
    assert set(output.choices or ()) == LABELS
    assert not output.enforce
    assert {example.expected for example in workspace.load_evalset("support").examples} == LABELS


def test_the_judge_says_that_the_packaged_models_judge_poorly(workspace: Workspace) -> None:
    judge = workspace.load_prompt("judges/polite")
    assert judge.judge is not None
    assert judge.judge.scale == (1, 5)
    assert "The packaged models are poor judges" in judge.description
    example, *_ = workspace.load_evalset("replies").examples
    [question] = questions(judge, JudgeItem("e", example, "Hi there."))
    [message] = question.messages
    assert message.content.endswith(f"Ticket: {example.vars['ticket']}\n\nReply:\nHi there.")
    assert "judge" not in {metric.id for metric in workspace.load_evalset("replies").metrics}


def test_the_examples_are_what_the_generator_writes_unselected(tmp_path: Path) -> None:
    command = [sys.executable, "-B", str(TOOLS / "examples.py"), str(tmp_path)]
    subprocess.run(command, check=True)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_bytes() for path in (REPOSITORY / "evalsets").glob("*.jsonl")}


def measured_wordings() -> dict[str, list[tuple[Any, ...]]]:
    """The prompt texts of ``evaluate.py``, which starts measuring when it is imported."""
    wanted = {"RULES", "SHOTS", "SHOTS2", "SHOTS6", "shots", "TOPIC", "ORD", "JS", "REPLY"}
    tree = ast.parse((TOOLS / "evaluate.py").read_text())
    body = [
        node
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in wanted
    ]
    names: dict[str, Any] = {}
    exec(compile(ast.Module(body, []), "evaluate.py", "exec"), names)
    return names


def test_the_rendered_texts_are_the_wordings_that_were_measured(workspace: Workspace, copy: Path) -> None:
    texts = measured_wordings()
    measured = {
        "triage": ("TOPIC", ["v1 vague", "v2 +labels", "v3 +format", "v4 +rules"]),
        "order": ("ORD", ["v1 vague", "v2 +format"]),
        "fields": ("JS", ["v2 keys", "v3 keys + labels"]),
        "reply": ("REPLY", ["r1 vague", "r3 spec"]),
    }
    pairs: list[tuple[Prompt, str]] = []
    for name, (table, steps) in measured.items():
        wordings = {entry[0]: entry[1] for entry in texts[table]}
        ladder = past(copy, name)
        assert ladder[-1].content == workspace.load_prompt(name).content
        pairs += [(prompt, wordings[step]) for prompt, step in zip(ladder, steps, strict=True)]
    ticket = "Hi,\nmy <b>kettle</b> & {{ lamp }} are late.\n"
    for prompt, wording in pairs:
        rendered = render(prompt, {"ticket": ticket})
        assert [(message.role, message.content) for message in rendered.messages] == [
            ("user", wording.replace("{t}", ticket))
        ]


def test_the_card_names_the_files_that_are_shipped() -> None:
    card = (demo.models_folder() / "README.md").read_text()
    for path in demo.models_folder().glob("*.gguf"):
        data = path.read_bytes()
        assert hashlib.sha256(data).hexdigest() in card
        assert f"{len(data):,} bytes" in card


async def correct(model: str, prompts: Sequence[Prompt], examples: Sequence[Example]) -> list[set[str]]:
    """For each prompt, the ids of the examples that a packaged model answers exactly as expected."""
    asked = open_model(ModelEntry(model, gguf=f"demo:{model}", threads=1), REPOSITORY)
    requests = {
        f"{number} {case.id}": Request(f"{number} {case.id}", render(prompt, case.vars).messages, prompt.params)
        for number, prompt in enumerate(prompts)
        for case in examples
    }
    try:
        answers = {outcome.key: outcome async for outcome in asked.generate(list(requests.values()))}
    finally:
        await asked.close()
    assert answers.keys() == requests.keys()
    assert all(answer.fault is None for answer in answers.values())
    return [
        {case.id for case in examples if answers[f"{number} {case.id}"].text == case.expected}
        for number in range(len(prompts))
    ]


@pytest.mark.local
async def test_wording_and_model_make_the_differences_that_the_history_tells_of(
    workspace: Workspace, ladder: list[Prompt]
) -> None:
    examples = workspace.load_evalset("support").examples
    vague, labels = await correct("mini", ladder[:2], examples[::4])
    formatted, ruled = await correct("mini", ladder[2:], examples)
    [small] = await correct("nano", ladder[3:], examples)
    # Not the exact counts: another processor rounds otherwise, and a close answer may tip over.
    assert 11 <= len(vague) <= 25
    assert len(labels) <= 5, "sentences, and no labels"
    assert 78 <= len(formatted) <= 98
    assert 88 <= len(ruled) <= 106
    assert 80 <= len(small) <= 98
    assert len(small) <= len(ruled) - 3
    disputed = {case.id for case in examples if "ambiguous" in case.tags}
    assert len(ruled & disputed) >= len(formatted & disputed) + 6


@pytest.mark.local
async def test_the_prompt_that_opens_first_can_be_made_better_by_the_sentence_that_it_lacks(
    workspace: Workspace,
) -> None:
    first = workspace.load_prompt(workspace.settings.defaults.prompt or "")
    said = workspace.read(first.source).decode()
    assert "should get the answer: none" in said
    examples = workspace.load_evalset(first.evalset or "").examples
    rule = said.replace("Extract the", "If there is no order number, answer none. Extract the")
    texts = [first, parse_prompt(rule.encode(), first.name, first.source)]
    before, after = await correct("mini", texts, examples[:16])
    assert len(after) >= len(before) + 3
    assert {example.id for example in examples[:5]} - before, "`r` shows at once that there is something to win"
