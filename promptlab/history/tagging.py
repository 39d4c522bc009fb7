"""Makes annotated tags: the one kind of ref that promptlab makes."""

from __future__ import annotations

from promptlab.errors import HistoryFault
from promptlab.history.git import NOT_SIGNED
from promptlab.history.repository import Repository

PASSPHRASE = 120.0  # seconds that a signing program may take to ask for one


def make_tag(repo: Repository, tag: str, commit: str, tagger: bytes, message: str, lock: int) -> None:
    """An annotated tag on a commit, signed where the person's configuration wants it.

    Args:
        repo: The repository.
        tag: Its name; one that exists is not moved.
        commit: What it points at.
        tagger: ``repo.git.write("var", "GIT_COMMITTER_IDENT")`` without the line end.
        message: Its text.
        lock: Descriptor of the lock that keeps other writers of promptlab out.

    Raises:
        HistoryFault: The tag exists, a hook refused it, signing failed, or the repository cannot be written.
    """
    git = repo.git
    text = encoded(message)
    if wanted(repo, "tag.gpgsign"):
        # Only `git tag` can sign, and it makes the ref at once.
        sign = ("tag", "-s", "--cleanup=verbatim", "-F", "-", "--end-of-options", tag, commit)
        git.write(*sign, stdin=text, lock=lock, limit=PASSPHRASE)
        # Some versions of git go on without a signature when an SSH key cannot be loaded.
        if b"\n-----BEGIN " not in git.read("cat-file", "tag", f"refs/tags/{tag}"):
            git.write("update-ref", "-d", f"refs/tags/{tag}", lock=lock)
            raise HistoryFault(NOT_SIGNED.format("the key could not be loaded"))
        return
    tag_object = tag_object_of(repo, tag, commit, tagger, text)
    # Without `start` and `commit` the command prints nothing, and so outlives us: no one may be left to read it.
    git.write("update-ref", "--stdin", stdin=f"create refs/tags/{tag} {tag_object}\n".encode(), lock=lock)


def tag_object_of(repo: Repository, tag: str, commit: str, tagger: bytes, text: bytes) -> str:
    """The id of an unsigned tag object that nothing points at yet."""
    header = f"object {commit}\ntype commit\ntag {tag}\ntagger ".encode()
    return line(repo.git.write("mktag", stdin=header + tagger + b"\n\n" + text))


def empty_child(repo: Repository, parent: str, message: str) -> str:
    """A commit with its parent's tree, on no branch: a tag on it does not show in ``git describe``."""
    # commit-tree itself does not look at commit.gpgsign.
    sign = ("-S",) if wanted(repo, "commit.gpgsign") else ()
    made = repo.git.write(
        *("commit-tree", f"{parent}^{{tree}}", "-p", parent, *sign, "-F", "-"),
        stdin=encoded(message),
        limit=PASSPHRASE,
    )
    return line(made)


def tagger_of(repo: Repository) -> bytes:
    """Who makes the tag, and when.

    Raises:
        HistoryFault: Git has no identity.
    """
    return repo.git.write("var", "GIT_COMMITTER_IDENT").strip()


def possible(repo: Repository, tag: str) -> bool:
    """Whether git accepts this as the name of a tag."""
    return repo.git.try_read("check-ref-format", f"refs/tags/{tag}").code == 0


def exists(repo: Repository, tag: str) -> bool:
    """Whether there is a tag of this name."""
    return repo.git.word("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}") is not None


def wanted(repo: Repository, key: str) -> bool:
    """A boolean of the configuration."""
    return repo.git.word("config", "--type=bool", "--get", key) == "true"


def encoded(message: str) -> bytes:
    """A message with one line end at its end."""
    return (message.rstrip("\n") + "\n").encode("utf-8", "replace")


def line(out: bytes) -> str:
    """The one line that a command printed."""
    return out.decode("ascii", "replace").strip()
