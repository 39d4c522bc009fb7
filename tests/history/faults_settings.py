"""Lines 25 to 32: what a person's git is set to."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from promptlab.errors import HistoryFault
from promptlab.history.repository import Repository
from promptlab.history.runs import list_runs, read_results
from promptlab.history.versions import versions

from .conftest import commit, dirty, sh, write
from .saver import FILES
from .scene import RESULTS, SUMMARY, TAG, Fault, Scene, environment, hook, put, refused, save, saved_and_published

NO_IDENTITY = r"^git does not know who you are, and a commit carries an author: run `git config --global user\.name"
NOT_SIGNED = r"^git could not sign \(.*\)\. Nothing was changed; check and unlock your signing key"


def line_ends(scene: Scene) -> None:
    for setting in ("true", "input"):
        folder = scene.repository()
        write(folder, ".gitattributes", "* text=auto\n*.jsonl text eol=lf\n")
        commit(folder, "attributes")
        sh(folder, "config", "core.autocrlf", setting)
        dirty(folder)
        write(folder, "third.txt", "one\r\n")
        saved_and_published(folder)


def filters(scene: Scene) -> None:
    folder = scene.repository()
    write(folder, ".gitattributes", "results/** filter=large\nprompts/** filter=large\n")
    for key, value in (("clean", "sha1sum"), ("smudge", "cat"), ("required", "true")):
        sh(folder, "config", f"filter.large.{key}", value)
    commit(folder, "attributes")
    saved_and_published(folder)
    # Published files are what `git add` would make of them; the run itself is kept byte for byte.
    assert sh(folder, "show", f"HEAD:{SUMMARY}").endswith("  -\n")
    assert sh(folder, "show", f"{TAG}:{RESULTS}/outputs.jsonl").encode() == FILES.results["outputs.jsonl"]

    missing = scene.repository()
    write(missing, ".gitattributes", "results/** filter=large\n")
    commit(missing, "attributes")
    save(missing)
    for key, value in (("clean", "/nowhere/large"), ("required", "true")):
        sh(missing, "config", f"filter.large.{key}", value)
    refused(missing, r"^`git hash-object` failed: cannot run /nowhere/large")


def signing(scene: Scene) -> None:
    for key, program in (("commit.gpgsign", "gpg.program"), ("tag.gpgsign", "gpg.program")):
        folder = scene.repository()
        dirty(folder)
        sh(folder, "config", key, "true")
        sh(folder, "config", program, "false")
        refused(folder, NOT_SIGNED, save)
    folder = scene.repository()
    save(folder)
    sh(folder, "config", "commit.gpgsign", "true")
    sh(folder, "config", "gpg.program", "false")
    refused(folder, NOT_SIGNED)
    if shutil.which("ssh-keygen") is None:
        return
    key = scene.folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    folder = scene.repository()
    settings = {"gpg.format": "ssh", "user.signingKey": str(key), "commit.gpgsign": "true", "tag.gpgsign": "true"}
    for name, value in settings.items():
        sh(folder, "config", name, value)
    saved_and_published(folder)
    for kind, name in (("commit", TAG), ("tag", TAG), ("commit", "HEAD")):
        assert "-----BEGIN SSH SIGNATURE-----" in sh(folder, "cat-file", kind, name)


def no_identity(scene: Scene) -> None:
    for missing in ("user.name", "user.email"):
        folder = scene.repository()
        dirty(folder)
        save(folder)
        sh(folder, "tag", "-d", TAG)
        sh(folder, "config", "--unset", missing)
        refused(folder, NO_IDENTITY, save)
        refused(folder, NO_IDENTITY)


def hooks(scene: Scene) -> None:
    folder, ran = scene.repository(), scene.folder / "ran"
    for name in ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "post-index-change"):
        hook(folder, name, f'touch "{ran}"; exit 1')
    save(folder)
    put(folder)
    assert not ran.exists()

    folder = scene.repository()
    save(folder)
    dirty(folder)
    hook(folder, "reference-transaction", '[ "$1" = prepared ] && exit 1; exit 0')
    refused(folder, r"^A reference-transaction hook of this repository refused it\. Nothing was changed\.$")
    sh(folder, "-c", "core.hooksPath=/dev/null", "tag", "-d", TAG)
    refused(folder, "^A reference-transaction hook", save)


def hostile(scene: Scene) -> None:
    folder = scene.repository()
    ran = scene.folder / "ran"
    program = f"touch '{ran}';"
    for key in ("core.fsmonitor", "core.pager", "core.editor", "diff.external", "gpg.program", "core.sshCommand"):
        sh(folder, "config", key, program)
    for key in ("pager.log", "pager.tag", "credential.helper", "alias.log", "alias.commit-tree"):
        sh(folder, "config", key, f"!{program}")
    for key, value in (
        ("log.showSignature", "true"),
        ("core.quotePath", "true"),
        ("status.short", "true"),
        ("status.showUntrackedFiles", "no"),
        ("i18n.logOutputEncoding", "UTF-16"),
        ("i18n.commitEncoding", "ISO-8859-1"),
        ("format.pretty", "oneline"),
        ("diff.noprefix", "true"),
        ("diff.renames", "false"),
        ("log.follow", "false"),
        ("core.commentChar", "P"),
        ("commit.cleanup", "strip"),
        ("tag.sort", "-taggerdate"),
    ):
        sh(folder, "config", key, value)
    save(folder)
    put(folder)
    repo = Repository.open(folder)
    (record,) = list_runs(repo)
    assert read_results(repo, record) == FILES.results
    assert [version.subject for version in versions(repo, "triage", "prompts/triage.toml")] == ["one"]
    assert repo.state().dirty == 0
    assert not ran.exists()


def coloured(scene: Scene) -> None:
    folder = scene.repository()
    for key in ("color.ui", "color.status", "color.diff", "color.branch"):
        sh(folder, "config", key, "always")
    save(folder)
    put(folder)
    repo = Repository.open(folder)
    assert (repo.state().branch, repo.state().dirty) == ("main", 0)
    assert [record.scores[0].mean for record in list_runs(repo)] == [0.5]


def localised(scene: Scene) -> None:
    with environment(LC_ALL="de_DE.UTF-8", LANG="de_DE.UTF-8", LANGUAGE="de"):
        folder = scene.repository()
        saved_and_published(folder)
        sh(folder, "config", "--unset", "user.email")
        sh(folder, "tag", "-d", TAG)
        refused(folder, NO_IDENTITY, save)
        with pytest.raises(HistoryFault, match="is not in a git repository"):
            Repository.open(scene.folder)


FAULTS = [
    Fault(25, "autocrlf and attributes", line_ends),
    Fault(26, "required filter, there and missing", filters),
    Fault(27, "signing that fails, and with ssh", signing),
    Fault(28, "no identity", no_identity),
    Fault(29, "hooks that fail, a hook that refuses", hooks),
    Fault(30, "hostile settings", hostile),
    Fault(31, "colours always", coloured),
    Fault(32, "localised git", localised),
]
