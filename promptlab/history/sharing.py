"""Runs, pinned numbers and stages to and from a remote. No branch and no file of the working tree is touched.

Git itself pushes no tag unless told, and fetches only tags of commits that a branch has. Both directions are asked
for by name here, and land in a place of their own first: a tag that is here is never overwritten by one from there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from promptlab.errors import HistoryFault, NotFound, UsageFault
from promptlab.history import annotated
from promptlab.history.git import Answer, last_line, plain
from promptlab.history.marks import is_mark, list_marks
from promptlab.history.pending import Folder
from promptlab.history.repository import Repository
from promptlab.history.runs import list_runs
from promptlab.history.tagging import make_tag, tag_object_of, tagger_of, wanted
from promptlab.history.trailers import TAG
from promptlab.history.values import Mark, Shared

_INCOMING = "refs/promptlab/incoming/"
_TRIES = 5  # pushes, each after a pull, while others push too


class _Clash(NamedTuple):
    """A mark of ours whose number the remote has given to another."""

    mark: Mark
    tag: str


def remotes(repo: Repository) -> list[str]:
    """The names of the remotes of this clone."""
    return os.fsdecode(repo.git.read("remote")).splitlines()


def remote_of(repo: Repository, asked: str = "") -> str:
    """The remote asked for, else the one of the current branch, else origin, else the only one.

    Raises:
        NotFound: There is none of that name, or none at all.
        UsageFault: Several, and none of them is the usual one.
    """
    there = remotes(repo)
    if not there:
        raise NotFound("This repository has no remote: `git remote add origin URL` names one.")
    branch = repo.git.word("symbolic-ref", "--quiet", "--short", "HEAD")
    upstream = repo.git.word("config", "--get", f"branch.{branch}.remote") if branch else None
    name = asked or next((each for each in (upstream, "origin") if each in there), None)
    if name is None and len(there) > 1:
        raise UsageFault(f"Say which remote: {', '.join(there)}.")
    name = name or there[0]
    if name not in there:
        raise NotFound(f"There is no remote {plain(name)!r}. Remotes here: {', '.join(there)}.")
    return name


def pull(repo: Repository, remote: str) -> Shared:
    """Fetches the runs and names of versions that the remote has and this clone lacks.

    Where the remote has another tag of the same number, the remote's stays and ours gets the next free number.

    Raises:
        HistoryFault: The remote cannot be reached, or the repository cannot be written.
    """
    return _pull(repo, remote)[0]


def push(repo: Repository, remote: str) -> Shared:
    """Sends every run and name of a version that the remote lacks, after a pull; other tags are not sent.

    Raises:
        HistoryFault: The remote cannot be reached, refuses, or others were faster five times in a row.
    """
    total = Shared(remote)
    for _ in range(_TRIES):
        pulled, theirs = _pull(repo, remote)
        total = Shared(
            remote,
            got=total.got + pulled.got,
            renumbered=total.renumbered + pulled.renumbered,
            kept=pulled.kept,
        )
        ours = [*(record.tag for record in list_runs(repo)), *(mark.tag for mark in list_marks(repo))]
        sent = sorted(tag for tag in ours if tag not in theirs)
        if not sent:
            return total
        commits = _commits_with(repo, remote, sent)
        names = [f"refs/tags/{tag}" for tag in sent]
        options = ("--porcelain", "--no-follow-tags", "--recurse-submodules=no")
        answer = repo.git.remote("push", *options, "--end-of-options", remote, *names)
        if answer.code == 0:
            return Shared(remote, total.got, tuple(sent), commits, total.renumbered, total.kept)
        if b"already exists" not in answer.out + answer.err.encode():
            raise _fault(remote, answer)
    raise HistoryFault(f"Others pushed to {remote} faster than we could, {_TRIES} times in a row: try again.")


def fetch_refspec(remote: str) -> str:
    """What lets a plain ``git fetch`` bring runs too.

    It mirrors them to a place of their own, and git adds the tags themselves because it then has what they point at.
    A refspec straight to ``refs/tags`` would let ``git fetch --prune`` delete runs that were not pushed yet.
    """
    return f"+refs/tags/run/*:refs/promptlab/remotes/{remote}/run/*"


def takes_no_tags(repo: Repository, remote: str) -> bool:
    """Whether this clone tells git to leave the tags of a remote alone, as ``git clone --no-tags`` does."""
    return repo.git.word("config", "--get", f"remote.{remote}.tagOpt") == "--no-tags"


def is_set_up(repo: Repository, remote: str) -> bool:
    """Whether a plain ``git fetch`` brings runs."""
    if takes_no_tags(repo, remote):
        return False
    out = repo.git.read("config", "--get-all", f"remote.{remote}.fetch", ok=(0, 1))
    return any(line.endswith("/run/*") or "refs/tags/*:" in line for line in os.fsdecode(out).splitlines())


def set_up(repo: Repository, remote: str) -> None:
    """Adds ``fetch_refspec`` to the configuration of this clone.

    Raises:
        HistoryFault: It cannot be written.
    """
    if not is_set_up(repo, remote):
        repo.git.write("config", "--local", "--add", f"remote.{remote}.fetch", fetch_refspec(remote))


def _pull(repo: Repository, remote: str) -> tuple[Shared, Mapping[str, str]]:
    """What was done, and the tags that the remote has, by name."""
    answer = repo.git.remote("ls-remote", "--tags", "--refs", "--quiet", "--end-of-options", remote)
    if answer.code:
        raise _fault(remote, answer)
    lines = (line.split("\t", 1) for line in os.fsdecode(answer.out).splitlines())
    theirs = {name.removeprefix("refs/tags/"): tag for tag, name in lines}
    theirs = {name: tag for name, tag in theirs.items() if TAG.fullmatch(name) or is_mark(name)}
    ours = _local(repo, "refs/tags/")
    new = [name for name, tag in theirs.items() if ours.get(name) != tag]
    if not new:
        return Shared(remote), theirs
    refspecs = "".join(f"+refs/tags/{name}:{_INCOMING}{name}\n" for name in new)
    quiet = ("--quiet", "--no-tags", "--no-prune", "--no-write-fetch-head", "--recurse-submodules=no")
    answer = repo.git.remote("fetch", *quiet, "--stdin", "--end-of-options", remote, stdin=os.fsencode(refspecs))
    if answer.code:
        raise _fault(remote, answer)
    return _adopt(repo, remote), theirs


def _adopt(repo: Repository, remote: str) -> Shared:
    """Makes tags of what was fetched. A kill leaves nothing half done that the next pull does not do again."""
    with Folder(repo.common_dir).locked() as lock:
        ours, incoming = _local(repo, "refs/tags/"), _local(repo, _INCOMING)
        clashes, kept = _clashes(repo, ours, incoming)
        # First ours under their new names, then the rest: at no moment is a mark of ours without a tag.
        for clash in clashes:
            _again(repo, clash, lock)
        lines = [f"delete {_INCOMING}{name} {tag}" for name, tag in incoming.items()]
        renamed = {clash.mark.tag for clash in clashes}
        lines += [f"delete refs/tags/{name} {ours[name]}" for name in renamed if name not in incoming]
        got: list[str] = []
        for name, tag in incoming.items():
            if name in kept or ours.get(name) == tag:
                continue
            old = ours.get(name)
            lines.append(f"update refs/tags/{name} {tag} {old}" if old else f"create refs/tags/{name} {tag}")
            got.append(name)
        repo.git.write("update-ref", "--stdin", stdin=os.fsencode("".join(f"{line}\n" for line in lines)), lock=lock)
    renumbered = tuple((clash.mark.tag, clash.tag) for clash in clashes)
    return Shared(remote, got=tuple(sorted(got)), renumbered=renumbered, kept=tuple(sorted(kept)))


def _clashes(
    repo: Repository, ours: Mapping[str, str], incoming: Mapping[str, str]
) -> tuple[list[_Clash], frozenset[str]]:
    """Our marks that must take another number, and the tags that stay as they are although they differ."""
    marks = {mark.tag: mark for mark in list_marks(repo)}
    differ = {name for name, tag in incoming.items() if ours.get(name, tag) != tag}
    # Only a mark can be given again under another number: a run has its id for good, a foreign tag is not ours.
    kept = frozenset(name for name in differ if name not in marks)
    # Two people who pinned the same text to the same number agree: theirs takes the place of ours.
    agreed = {mark.tag for mark in list_marks(repo, below=_INCOMING) if not mark.stage and _agree(mark, marks)}
    moving = {name for name in differ if name in marks} - agreed
    # `triage#production#4` and `triage#production!#4` are two names of the one fourth step.
    moving |= {other for name in incoming if (other := _opposite(name)) in marks and other not in incoming}
    taken = set(ours) | set(incoming)
    clashes: list[_Clash] = []
    for mark in sorted((marks[name] for name in moving), key=lambda mark: (mark.time, mark.number)):
        again = next((each for each in marks.values() if each.tag not in moving and _same(each, mark)), None)
        tag = again.tag if again else _free(mark, taken)
        taken.add(tag)
        clashes.append(_Clash(mark, tag))
    return clashes, kept


def _same(one: Mark, other: Mark) -> bool:
    """Whether two marks say the same of the same moment: what a pull that was killed made already."""
    key = ("prompt", "stage", "cleared", "content", "run", "time", "author")
    return all(getattr(one, name) == getattr(other, name) for name in key)


def _agree(mark: Mark, marks: Mapping[str, Mark]) -> bool:
    return mark.tag in marks and marks[mark.tag].content == mark.content


def _free(mark: Mark, taken: Iterable[str]) -> str:
    """The next name for a mark: after every number that the stage, or the prompt's versions, have anywhere."""
    start = f"{mark.prompt}#{mark.stage}" if mark.stage else f"{mark.prompt}@v"
    pattern = re.compile(re.escape(start) + (r"!?#([0-9]+)" if mark.stage else r"([0-9]+)"))
    highest = max((int(found[1]) for tag in taken if (found := pattern.fullmatch(tag))), default=0)
    middle = ("!#" if mark.cleared else "#") if mark.stage else ""
    return f"{start}{middle}{highest + 1}"


def _opposite(tag: str) -> str:
    return tag.replace("!#", "#") if "!#" in tag else re.sub(r"#([0-9]+)$", r"!#\1", tag)


def _again(repo: Repository, clash: _Clash, lock: int) -> None:
    """The same mark under another name, with its tagger and time; a signature cannot be kept, and is made anew."""
    if repo.git.word("rev-parse", "--verify", "--quiet", f"refs/tags/{clash.tag}") is not None:
        return
    stored = repo.git.read("cat-file", "tag", f"refs/tags/{clash.mark.tag}")
    text = annotated.parse(stored).text
    if wanted(repo, "tag.gpgsign"):
        make_tag(repo, clash.tag, clash.mark.commit, tagger_of(repo), text, lock)
        return
    tagger = next(line for line in stored.split(b"\n") if line.startswith(b"tagger ")).removeprefix(b"tagger ")
    made = tag_object_of(repo, clash.tag, clash.mark.commit, tagger, text.encode())
    repo.git.write("update-ref", "--stdin", stdin=f"create refs/tags/{clash.tag} {made}\n".encode(), lock=lock)


def _local(repo: Repository, prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): tag for name, tag in repo.refs(prefix).items()}


def _commits_with(repo: Repository, remote: str, tags: Iterable[str]) -> int:
    """Commits that go along with the tags and that no branch of the remote had when it was last fetched."""
    asked = "".join(f"refs/tags/{tag}^{{commit}}~1\n" for tag in tags)
    parents = repo.git.read("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=os.fsencode(asked))
    ids = [line.split()[0] for line in parents.splitlines() if line.endswith(b" commit")]
    if not ids:
        return 0
    starts = b"".join(commit + b"\n" for commit in ids)
    # The options of --stdin come before its commits, so that the remote's branches are the ones left out.
    return int(repo.git.read("rev-list", "--count", "--not", f"--remotes={remote}", "--not", "--stdin", stdin=starts))


def _fault(remote: str, answer: Answer) -> HistoryFault:
    said = plain(last_line(answer.err)) or plain(answer.out.decode("utf-8", "replace")) or f"status {answer.code}"
    if "could not read Username" in answer.err or "terminal prompts disabled" in answer.err:
        return HistoryFault(
            f"{remote} wants a name and a password, and git has none stored: run `git fetch {remote}` yourself once"
            " with a credential helper (`git help credentials`), then try again."
        )
    if "remote rejected" in answer.out.decode("utf-8", "replace") or "hook declined" in answer.err:
        refused = [line for line in answer.out.decode("utf-8", "replace").splitlines() if line.startswith("!")]
        said = plain(refused[0].removeprefix("!")) if refused else said
        return HistoryFault(f"{remote} refused some tags: {said}. Everything is still here.")
    return HistoryFault(f"git could not talk to {remote}: {said}. Nothing was lost; try again.")
