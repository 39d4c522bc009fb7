"""Lines 48 to 57: what a history can look like."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from promptlab.history.git import Git
from promptlab.history.marks import list_marks, promote, stages
from promptlab.history.repository import Repository
from promptlab.history.runs import list_runs, read_results
from promptlab.history.sharing import push
from promptlab.history.values import Named, Version
from promptlab.history.versions import version_bytes, versions

from .conftest import V1, commit, sh, write
from .saver import FILES, MESSAGE, RUN, SUBJECT
from .scene import TAG, Fault, Scene, save

V2 = V1.replace("Route", "Route this")
REWRITTEN = '[params]\nseed = 7\n\n[[messages]]\nrole = "system"\ncontent = "Entirely different words stand here."\n'


def of(folder: Path, name: str = "triage") -> list[Version]:
    return versions(Repository.open(folder), name, f"prompts/{name}.toml")


def renames(scene: Scene) -> None:
    folder = scene.repository()
    sh(folder, "mv", "prompts/triage.toml", "prompts/router.toml")
    commit(folder, "renamed")
    commit(folder, "changed", router=V2)
    assert [version.path for version in of(folder, "router")] == ["prompts/triage.toml", "prompts/router.toml"]

    folder = scene.repository()
    commit(folder, "with an id", triage=f'id = "router"\n{V1}')
    sh(folder, "rm", "-q", "prompts/triage.toml")
    commit(folder, "renamed and rewritten", router=f'id = "router"\n{REWRITTEN}')
    assert [version.subject for version in of(folder, "router")] == ["one", "renamed and rewritten"]

    folder = scene.repository()
    sh(folder, "switch", "-qc", "side")
    sh(folder, "mv", "prompts/triage.toml", "prompts/router.toml")
    commit(folder, "renamed aside")
    sh(folder, "switch", "-q", "main")
    commit(folder, "changed", triage=V2)
    sh(folder, "merge", "-q", "--no-edit", "side")
    assert [version.subject for version in of(folder, "router")] == ["one", "changed"]


def deleted_and_made_anew(scene: Scene) -> None:
    folder = scene.repository()
    sh(folder, "rm", "-q", "prompts/triage.toml")
    commit(folder, "gone")
    commit(folder, "anew", triage=V2)
    commit(folder, "as it was", triage=V1)
    assert [(version.number, version.subject) for version in of(folder)] == [(1, "one"), (2, "anew")]


def ids(scene: Scene) -> None:
    folder = scene.repository()
    commit(folder, "first id", triage=f'id = "one"\n{V1}')
    commit(folder, "another id", triage=f'id = "two"\n{V2}')
    # Documentation: it names the prompt, and makes no version of it.
    assert [version.number for version in of(folder)] == [1, 2]
    commit(folder, "a second file", other=f'id = "two"\n{REWRITTEN}')
    commit(folder, "a third file", third=f'id = "TWO"\n{REWRITTEN}')
    assert [version.subject for version in of(folder)] == ["one", "another id"]
    assert [version.subject for version in of(folder, "other")] == ["a second file"]
    assert [version.subject for version in of(folder, "third")] == ["a third file"]


def invalid(scene: Scene) -> None:
    folder = scene.repository()
    commit(folder, "broken", triage="[[messages]\n")
    commit(folder, "not text", triage=b"\xff\xfe")
    commit(folder, "whole", triage=V2)
    found = of(folder)
    assert [(version.number, bool(version.error), version.subject) for version in found] == [
        (1, False, "one"),
        (0, True, "broken"),
        (0, True, "not text"),
        (2, False, "whole"),
    ]
    assert version_bytes(Repository.open(folder), found)[found[1].blob] == b"[[messages]\n"


def processes(scene: Scene, act: Callable[[], object]) -> int:
    """How many git processes something takes."""
    real, made = Git._run, list[object]()

    def run(*args: object, **options: object) -> object:
        made.append(args)
        return real(*args, **options)

    with scene.patch.context() as patch:
        patch.setattr(Git, "_run", run)
        act()
    return len(made)


def long_history(scene: Scene) -> None:
    """The times themselves are the benchmark's; what makes them is that a longer history takes no more processes."""
    short, long = scene.repository(), scene.repository()
    lines: list[str] = []
    for at in range(400):
        text = V1.replace("Route", f"Route {at}")
        lines.append(
            f"commit refs/heads/main\nmark :{at + 1}\ncommitter Ann <a@b> {1_700_000_000 + at} +0000\ndata 1\nx"
        )
        lines += [f"from {sh(long, 'rev-parse', 'HEAD').strip()}"] * (at == 0)
        lines.append(f"M 100644 inline prompts/triage.toml\ndata {len(text)}\n{text}")
        run = f"20261121T19{at // 60:02}{at % 60:02}Z-4f2a9c"
        body = MESSAGE.replace(RUN, run)
        lines.append(f"tag {TAG.replace(RUN, run)}\nfrom :{at + 1}\ntagger Ann <a@b> 1800000000 +0000")
        lines.append(f"data {len(body.encode())}\n{body}")
    stream = "\n".join([*lines, ""]).encode()
    subprocess.run(["git", "fast-import", "--quiet"], cwd=long, input=stream, check=True)
    sh(long, "reset", "-q", "--hard")
    repos = [Repository.open(folder) for folder in (short, long)]
    listed = [processes(scene, lambda repo=repo: list_runs(repo)) for repo in repos]
    relisted = [processes(scene, lambda repo=repo: list_runs(repo)) for repo in repos]
    read = [processes(scene, lambda repo=repo: versions(repo, "triage", "prompts/triage.toml")) for repo in repos]
    again = [processes(scene, lambda repo=repo: versions(repo, "triage", "prompts/triage.toml")) for repo in repos]
    found = [of(repo.top) for repo in repos]
    texts = [
        processes(scene, lambda repo=repo, all=all: version_bytes(repo, all))
        for repo, all in zip(repos, found, strict=True)
    ]
    assert (len(list_runs(repos[1])), len(of(long))) == (400, 401)
    # Of 400 refs that lie loose git makes the list; of a few, and of those that are packed, none is started for it.
    assert (listed, relisted) == ([0, 2], [0, 1])
    sh(long, "pack-refs", "--all")
    assert processes(scene, lambda: list_runs(repos[1])) == 0
    assert read[0] == read[1]
    assert again == [0, 0]
    assert texts[0] == texts[1]


def packed_refs(scene: Scene) -> None:
    folder = scene.repository()
    save(folder)
    repo = Repository.open(folder)
    before = list_runs(repo)
    sh(folder, "pack-refs", "--all")
    assert list_runs(repo) == before
    save(folder, run="20261121T195013Z-4f2a9c")
    assert [record.id for record in list_runs(repo)] == ["20261121T195013Z-4f2a9c", RUN]
    assert not (folder / ".git" / "refs" / "tags" / "run" / SUBJECT / RUN).exists()


def rewritten(scene: Scene) -> None:
    folder = scene.repository()
    sh(folder, "switch", "-qc", "feature")
    for number, text in enumerate((V2, V1.replace("Route", "Do route")), 2):
        commit(folder, f"version {number}", triage=text)
    contents = [version.content for version in of(folder)]
    save(folder)
    sh(folder, "switch", "-q", "main")
    write(folder, "other.txt", "meanwhile\n")
    commit(folder, "meanwhile")
    sh(folder, "rebase", "-q", "main", "feature")
    assert [version.content for version in of(folder)] == contents
    sh(folder, "switch", "-q", "main")
    sh(folder, "merge", "-q", "--squash", "feature")
    commit(folder, "squashed")
    sh(folder, "branch", "-qD", "feature")
    sh(folder, "reflog", "expire", "--expire=now", "--all")
    sh(folder, "gc", "-q", "--prune=now")
    # The version between is on no branch any more; the run holds it.
    assert [version.content for version in of(folder)] == [contents[0], contents[2]]
    repo = Repository.open(folder)
    (record,) = list_runs(repo)
    assert read_results(repo, record) == FILES.results
    assert sh(folder, "show", f"{TAG}~1:prompts/triage.toml") != sh(folder, "show", f"{TAG}~2:prompts/triage.toml")


def foreign_tags(scene: Scene) -> None:
    folder = scene.repository()
    save(folder)
    sh(folder, "tag", "run/mine")
    sh(folder, "tag", f"run/light/{RUN}")
    sh(folder, "tag", "-a", "-m", "a run of mine", f"run/other/{RUN}")
    sh(folder, "tag", "-a", "-m", MESSAGE.replace("Score: a exact=0.5", "Score: a exact=half"), f"run/bad/{RUN}")
    sh(folder, "tag", "-a", "-m", MESSAGE, f"run/tree/{RUN}", "HEAD^{tree}")
    assert [record.tag for record in list_runs(Repository.open(folder))] == [TAG]


def odd_messages(scene: Scene) -> None:
    folder = scene.repository()
    head = sh(folder, "rev-parse", "HEAD").strip()
    for subject, body in (
        ("hash", MESSAGE.replace("run triage", "# run triage").encode()),
        ("crlf", MESSAGE.replace("\n", "\r\n").encode()),
        ("latin", MESSAGE.encode().replace(b"run triage", b"run tri\xe4ge")),
    ):
        tag = f"object {head}\ntype commit\ntag run/{subject}/{RUN}\ntagger A <a@b> 1800000000 +0000\n\n".encode()
        made = sh(folder, "hash-object", "-t", "tag", "-w", "--stdin", stdin=tag + body).strip()
        sh(folder, "update-ref", f"refs/tags/run/{subject}/{RUN}", made)
    found = {record.subject: record for record in list_runs(Repository.open(folder))}
    assert {subject: (record.title, record.scores[0].mean) for subject, record in found.items()} == {
        "hash": ("# run triage on support: exact 0.5", 0.5),
        "crlf": ("run triage on support: exact 0.5", 0.5),
        "latin": ("run tri\ufffdge on support: exact 0.5", 0.5),
    }


def same_stage(scene: Scene) -> None:
    ann, shared = scene.repository(), scene.folder / "shared.git"
    sh(scene.folder, "clone", "-q", "--bare", str(ann), str(shared))
    ben = scene.repository()
    for folder in (ann, ben):
        sh(folder, "remote", "add", "origin", shared.as_uri())
        (version,) = of(folder)
        named = Named("triage", version.content, version.blob, version.path, version.commit, version.label)
        promote(Repository.open(folder), named, "production")
    push(Repository.open(ann), "origin")
    done = push(Repository.open(ben), "origin")
    kept = sh(shared, "rev-parse", "triage#production#1")
    assert kept == sh(ann, "rev-parse", "triage#production#1") == sh(ben, "rev-parse", "triage#production#1")
    assert done.renumbered in ((), (("triage#production#1", "triage#production#2"),))
    assert [mark.stage for mark in stages(list_marks(Repository.open(ben))).values()] == ["production"]
    assert sh(shared, "tag") == sh(ben, "tag")


FAULTS = [
    Fault(48, "renamed, renamed and rewritten, renamed on one side of a merge", renames),
    Fault(49, "deleted and made anew", deleted_and_made_anew),
    Fault(50, "id changed, twice the same, in another case", ids),
    Fault(51, "invalid TOML in old versions", invalid),
    Fault(52, "a long history takes no more processes", long_history),
    Fault(53, "packed and loose refs", packed_refs),
    Fault(54, "rebase, squash and gc", rewritten),
    Fault(55, "foreign and broken tags below run/", foreign_tags),
    Fault(56, "tag messages with #, CRLF, not UTF-8", odd_messages),
    Fault(57, "two people's same stage", same_stage),
]
