"""Everything that is wrong in a workspace's files, with what they say of metrics, judges and models."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from promptlab.errors import InvalidFile, Problem, PromptlabError
from promptlab.lab import planning
from promptlab.lab.problems import metric_problems, model_problems, search_problems
from promptlab.lab.values import Subject
from promptlab.scoring.steps import chain_problems
from promptlab.workspace import folder
from promptlab.workspace.chains import references
from promptlab.workspace.folder import Workspace
from promptlab.workspace.values import EvalSet, Prompt


def check(workspace: Workspace, subject_of: Callable[[str], Subject]) -> list[Problem]:
    """All of it, in the order of the files; that of models is not looked at.

    Args:
        workspace: Whose files are checked.
        subject_of: Gives a prompt with what it pins followed into git.
    """
    there = workspace.settings.models
    problems = folder.check(workspace)
    for prompt in _prompts(workspace):
        if references(prompt):  # to versions: what is in the working copy was followed already
            try:
                prompt = subject_of(prompt.name).prompt
            except InvalidFile as fault:
                problems += fault.problems
                continue
        problems += [*chain_problems(prompt), *search_problems(prompt, there)]
    for evalset in _evalsets(workspace):
        metrics = planning.judged_by_default(workspace, evalset.metrics)
        problems += [*metric_problems(evalset, metrics), *model_problems(evalset, metrics, there)]
        try:
            planning.judge_prompts(workspace, metrics)
        except InvalidFile as fault:
            problems += [p if p.file else Problem(p.message, evalset.source) for p in fault.problems]
    return problems


def _prompts(workspace: Workspace) -> Iterator[Prompt]:
    for name in workspace.prompt_names():
        try:
            yield workspace.load_prompt(name)
        except PromptlabError:
            continue  # folder.check has said so


def _evalsets(workspace: Workspace) -> Iterator[EvalSet]:
    for name in workspace.evalset_names():
        try:
            yield workspace.load_evalset(name)
        except PromptlabError:
            continue  # folder.check has said so
