"""A repository whose own configuration tries to run programs: reading it must start none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from promptlab.errors import HistoryFault
from promptlab.history.repository import Repository
from promptlab.history.runs import list_runs, read_inputs, read_results
from promptlab.history.snapshot import recover, save_run
from promptlab.history.versions import at_revision, version_bytes, versions
from promptlab.lab import Lab

from .conftest import V1, commit, make, sh, write
from .saver import FILES, MESSAGE, RUN, SUBJECT


def program(folder: Path, name: str, then: str = "cat") -> tuple[str, Path]:
    """A program that leaves a mark and goes on as a filter would, and the mark."""
    mark = folder / f"{name}.ran"
    file = folder / f"{name}.sh"
    file.write_text(f'#!/bin/sh\ntouch "{mark}"\n{then}\n')
    file.chmod(0o755)
    return str(file), mark


CONFIGURATION = {
    "core.fsmonitor": "{}",
    "core.pager": "{}",
    "core.editor": "{}",
    "core.sshCommand": "{}",
    "diff.external": "{}",
    "diff.toml.textconv": "{}",
    "diff.toml.command": "{}",
    "filter.toml.clean": "{}",
    "filter.toml.required": "true",
    "filter.a=b.process": "{}",
    "filter.a=b.required": "true",
    "gpg.program": "{}",
    "log.showSignature": "true",
    "pager.log": "{}",
    "pager.status": "{}",
    "pager.tag": "{}",
    "pager.show": "{}",
    "alias.log": "!{}",
    "alias.status": "!{}",
    "alias.cat-file": "!{}",
    "alias.for-each-ref": "!{}",
    "core.askPass": "{}",
    "core.gitProxy": "{}",
    "core.alternateRefsCommand": "{}",
    "credential.helper": "!{}",
    "diff.toml.cachetextconv": "true",
    "diff.guitool": "evil",
    "difftool.evil.cmd": "{}",
    "filter.toml.smudge": "{}",
    "gpg.format": "ssh",
    "gpg.ssh.program": "{}",
    "gpg.ssh.defaultKeyCommand": "{}",
    "gpg.x509.program": "{}",
    "interactive.diffFilter": "{}",
    "merge.toml.driver": "{}",
    "mergetool.evil.cmd": "{}",
    "remote.origin.url": "ext::{}",
    "remote.origin.vcs": "evil",
    "remote.origin.uploadpack": "{}",
    "remote.origin.receivepack": "{}",
    "remote.origin.promisor": "true",
    "remote.origin.partialclonefilter": "blob:none",
    "remote.pushDefault": "origin",
    "sequence.editor": "{}",
    "submodule.part.update": "!{}",
    "trailer.promptlab-run.command": "{}",
    "trailer.promptlab-run.cmd": "{}",
    "uploadpack.packObjectsHook": "{}",
    "web.browser": "evil",
    "browser.evil.cmd": "{}",
}
# Written into files that the configuration includes, instead of into the configuration itself.
INCLUDED = '[core]\n\tfsmonitor = {0}\n\tpager = {0}\n[filter "included"]\n\tclean = {0}\n\trequired = true\n'
HOOKS = (
    "applypatch-msg",
    "commit-msg",
    "fsmonitor-watchman",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "pre-auto-gc",
    "pre-commit",
    "pre-push",
    "reference-transaction",
)
# These run nothing; they would bend what git prints.
PRESENTATION = {
    "color.ui": "always",
    "color.status": "always",
    "core.quotePath": "true",
    "diff.renames": "false",
    "diff.relative": "true",
    "format.pretty": "oneline",
    "i18n.logOutputEncoding": "UTF-16",
    "log.date": "relative",
    "log.decorate": "full",
    "log.diffMerges": "combined",
    "log.follow": "false",
    "status.branch": "false",
    "status.relativePaths": "true",
    "status.showUntrackedFiles": "no",
    "status.short": "true",
    "tag.sort": "version:refname",
    "versionsort.suffix": "-",
}


def configure(top: Path) -> Path:
    """Sets everything above and makes files stale, so that git has a reason to look at their content."""
    write(top, ".gitattributes", "*.toml diff=toml filter=toml\n*.txt filter=a=b\n")
    commit(top, "attributes", triage=V1 + "# ü\n")
    """Every setting, include and hook that could name a program names one; its mark."""
    path, mark = program(top.parent, "hostile")
    for key, value in {**CONFIGURATION, **PRESENTATION}.items():
        sh(top, "config", key, value.format(path))
    elsewhere = top.parent / "included.config"
    elsewhere.write_text(INCLUDED.format(path))
    sh(top, "config", "include.path", str(elsewhere))
    sh(top, "config", f"includeIf.gitdir:{top}/.path", str(elsewhere))
    sh(top, "config", "extensions.worktreeConfig", "true")
    (top / ".git" / "config.worktree").write_text(INCLUDED.format(path))
    sh(top, "config", "core.hooksPath", str(top / "hooks"))
    for folder in (top / ".git" / "hooks", top / "hooks"):
        for hook in HOOKS:
            file = folder / hook
            file.parent.mkdir(exist_ok=True)
            file.write_text(f'#!/bin/sh\ntouch "{mark}"\n')
            file.chmod(0o755)
    write(top, ".git/info/attributes", "*.toml diff=toml filter=toml merge=toml\n*.txt filter=included\n")
    write(top, ".git/info/exclude", "hooks/\n")
    for name in ("prompts/triage.toml", "other.txt", "third.txt"):
        os.utime(top / name, (1, 1))
    return mark


def test_reading_runs_nothing_and_reads_right(top: Path) -> None:
    save_run(Repository.open(top), RUN, SUBJECT, FILES, MESSAGE)
    mark = configure(top)
    write(top, "new ü.txt", "untracked\n")

    repo = Repository.open(top)
    state = repo.state()
    found = versions(repo, "triage", "prompts/triage.toml")
    (record,) = list_runs(repo)
    assert (state.branch, state.dirty) == ("main", 1)
    assert [(version.number, version.subject, version.path) for version in found] == [
        (1, "one", "prompts/triage.toml")
    ]
    assert list(version_bytes(repo, found).values()) == [V1.encode()]
    assert at_revision(repo, "HEAD~1", ["prompts/triage.toml"]) == V1.encode()
    assert read_results(repo, record) == FILES.results
    assert read_inputs(repo, record, FILES.inputs) == FILES.inputs
    assert recover(repo) == []
    assert not mark.exists()

    # The trap was a real one.
    sh(top, "-c", "alias.status=", "status", ok=False)
    assert mark.exists()


def test_opening_the_program_on_it_runs_nothing(top: Path) -> None:
    """All that the screens and the command line ask of a workspace before the person does something."""
    write(top, "promptlab.toml", '[models.mini]\ngguf = "demo:mini"\n')
    commit(top, "a workspace", triage=V1.replace("Route", "Route this"))
    save_run(Repository.open(top), RUN, SUBJECT, FILES, MESSAGE)
    mark = configure(top)
    lab = Lab.open(top)
    assert lab.history_problem() == ""
    assert [row.name for row in lab.prompts()] == ["triage"]
    state = lab.repo_state()
    assert state is not None
    assert (state.branch, state.operation) == ("main", None)
    assert [version.label for version in lab.versions("triage")] == ["v1", "v2"]
    assert [run.id for run in lab.runs()] == [RUN]
    assert lab.recover() == []
    assert lab.past("triage").current == "v1"
    assert len(lab.blame("triage@v2").lines) == 3
    assert lab.subject("triage@HEAD~1").version == "v2"
    assert [field.field for field in lab.diff("triage@v2", "triage").fields] == ["messages[0].content"]
    lab.marks()
    lab.stages()
    lab.missing_hint()
    lab.check()
    lab.watch()
    assert not mark.exists()
    sh(top, "status", ok=False)
    assert mark.exists()


def test_a_missing_object_is_never_fetched(top: Path, tmp_path: Path) -> None:
    commit(top, "two", triage=V1 + "[params]\nseed = 2\n")
    sh(top, "config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    sh(tmp_path, "clone", "-q", "--filter=blob:none", f"file://{top}", str(partial))
    path, mark = program(tmp_path, "fetched", "exit 1")
    sh(partial, "config", "remote.origin.uploadpack", path)

    repo = Repository.open(partial)
    for read in (
        lambda: at_revision(repo, "HEAD~1", ["prompts/triage.toml"]),
        lambda: versions(repo, "triage", "prompts/triage.toml"),
    ):
        with pytest.raises(HistoryFault, match=r"This is a partial clone, .* run `git fetch --refetch --no-filter`"):
            read()
    assert at_revision(repo, "HEAD", ["prompts/triage.toml"]).endswith(b"seed = 2\n")
    assert not mark.exists()
    sh(partial, "cat-file", "blob", "HEAD~1:prompts/triage.toml", ok=False)
    assert mark.exists()


def test_a_persons_own_filters_are_used_when_looking_for_changes(tmp_path: Path) -> None:
    """Large-file filters live in the person's own configuration; without them every such file would look edited."""
    path, mark = program(tmp_path, "mine")
    sh(tmp_path, "config", "--global", "filter.big.clean", path)
    folder = make(tmp_path / "repo")
    write(folder, ".gitattributes", "*.bin filter=big\n")
    write(folder, "a.bin", "content\n")
    commit(folder, "one")
    mark.unlink()
    os.utime(folder / "a.bin", (1, 1))
    assert Repository.open(folder).state().dirty == 0
    assert mark.exists()
