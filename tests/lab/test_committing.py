"""The person's own commit of prompts: what is proposed, and that exactly this is committed."""

from __future__ import annotations

from pathlib import Path

import places
import pytest

from promptlab.errors import HistoryFault, NotFound, UsageFault
from promptlab.lab import Lab
from promptlab.lab.values import RunRequest

TRIAGE = "prompts/triage.toml"


def write(folder: Path, text: str, name: str = "triage") -> None:
    (folder / "prompts" / f"{name}.toml").write_text(text)


async def test_the_message_says_what_changed_and_what_a_run_says_of_it(folder: Path) -> None:
    write(folder, places.FIRST.replace("about?", "about, please?") + "[params]\ntemperature = 0.5\n")
    lab = Lab.open(folder)
    before = places.fingerprint(folder)
    assert lab.proposal().message == "triage: reword the user message, temperature 0.0 → 0.5"
    assert places.fingerprint(folder) == before
    plan = lab.plan(RunRequest(subjects=("triage@v2", "triage")))
    async for _ in lab.run(plan, lab.table(plan)):
        pass
    await lab.close()
    title, blank, said = lab.proposal(["triage"]).message.split("\n")
    assert (title, blank) == ("triage: reword the user message, temperature 0.0 → 0.5", "")
    assert said.startswith("On api: WORSE: exact is 100.0 points lower")
    made = lab.commit(lab.proposal(), "Ask nicely")
    assert (made.title, made.parent) == ("Ask nicely", places.git(folder, "rev-parse", "HEAD~1").strip())
    assert [version.label for version in lab.versions("triage")] == ["v1", "v2", "v3"]


MESSAGE = '[[messages]]\nrole = "assistant"\ncontent = "Yes?"\n'
PARAMS = "[params]\nstop = ['one', 'two', 'three', 'four']\nseed = 7\ntop_p = 0.5\n"
TITLES: list[tuple[dict[str, str], str]] = [
    ({"triage": places.SECOND + "# why\n"}, "triage: edit the file"),
    ({"triage": places.SECOND.replace("user", "system")}, "triage: change the role of message 1"),
    ({"triage": places.SECOND + MESSAGE}, "triage: add the assistant message"),
    ({"triage": places.FIRST + PARAMS}, "triage: reword the user message, seed 0 → 7 and 2 more"),
    ({"new/one": places.FIRST}, "Add the prompt new/one"),
    ({"triage": ""}, "Remove the prompt triage"),
    ({"triage": "messages = [\n"}, "triage: edit the file"),
    (
        {"triage": places.FIRST, "b": places.FIRST},
        "Edit the prompts b, triage\n\n- Add the prompt b\n- triage: reword the user message",
    ),
]


def test_titles(folder: Path) -> None:
    lab = Lab.open(folder)
    for texts, message in TITLES:
        for name, text in texts.items():
            path = folder / "prompts" / f"{name}.toml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text) if text else path.unlink()
        assert lab.proposal().message == message
        places.git(folder, "checkout", "-q", ".")
        places.git(folder, "clean", "-qfd")


def test_what_is_shown_first(folder: Path) -> None:
    write(folder, places.FIRST)
    places.git(folder, "add", TRIAGE)
    write(folder, "messages = [\n")
    (folder / "notes.txt").write_text("mine\n")
    places.git(folder, "add", "notes.txt")
    places.git(folder, "checkout", "-q", "--detach")
    proposal = Lab.open(folder).proposal([TRIAGE])
    (each,) = proposal.edits
    assert each.problem.startswith(f"{TRIAGE}:1: This is not valid TOML")
    assert [field.field for field in each.fields] == ["file"]
    assert proposal.notes == (
        "1 other file is staged and stays so, out of this commit.",
        f"A part of {TRIAGE} is staged; the whole file as it is on disk is committed.",
        "HEAD is on no branch: the commit will be on none either.",
    )


def test_what_cannot_be_committed_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    lab = Lab.open(folder)
    with pytest.raises(UsageFault, match=r"^No prompt is edited: all of them are as they were committed\.$"):
        lab.proposal()
    with pytest.raises(UsageFault, match=r"^triage is as it was committed: there is nothing to commit\.$"):
        lab.proposal(["triage"])
    with pytest.raises(NotFound, match=r"^There is no prompt “trage”\. Did you mean `triage`\?"):
        lab.proposal(["trage"])
    (folder / ".gitignore").write_text("prompts/own.toml\n")
    write(folder, places.FIRST, "own")
    with pytest.raises(UsageFault, match=r"^prompts/own.toml is ignored by git"):
        lab.proposal(["own"])
    write(folder, places.FIRST)
    proposal = lab.proposal()
    write(folder, places.FIRST + "\n")
    with pytest.raises(UsageFault, match=r"^prompts/triage.toml was changed since it was shown: look at it again\.$"):
        lab.commit(proposal, "one")
    (folder / ".git").rename(tmp_path / "away")
    with pytest.raises(HistoryFault, match="is not in a git repository"):
        Lab.open(folder).proposal()


def test_a_conflict_that_a_stash_left(folder: Path) -> None:
    write(folder, places.FIRST)
    places.git(folder, "stash", "-q")
    write(folder, places.SECOND.replace("Label", "Name"))
    places.git(folder, "commit", "-qam", "three")
    with pytest.raises(Exception, match="exit status 1"):
        places.git(folder, "stash", "pop")
    with pytest.raises(UsageFault, match=r"^prompts/triage.toml is in conflict: resolve it and `git add` it"):
        Lab.open(folder).proposal()


def test_eval_sets_and_reviews_are_committed_where_they_are_named(folder: Path) -> None:
    write(folder, places.FIRST)
    evalset = folder / "evalsets" / "tickets.toml"
    evalset.write_text(evalset.read_text() + "# why\n")
    (folder / "reviews").mkdir()
    (folder / "reviews" / "tickets.jsonl").write_text("{}\n")
    (folder / "notes.txt").write_text("mine")
    lab = Lab.open(folder)
    assert [each.path for each in lab.proposal().edits] == [TRIAGE], "without names: prompts"
    proposal = lab.proposal(["tickets", "reviews/tickets.jsonl", "./evalsets/tickets.toml"])
    assert [each.path for each in proposal.edits] == ["evalsets/tickets.toml", "reviews/tickets.jsonl"]
    assert proposal.message == (
        "Edit evalsets/tickets.toml, reviews/tickets.jsonl\n\n"
        "- Edit evalsets/tickets.toml\n- Add reviews/tickets.jsonl"
    )
    assert any(span.op == "added" and "why" in span.text for span in proposal.edits[0].fields[0].spans)
    lab.commit(proposal, proposal.message)
    assert places.git(folder, "show", "--format=", "--name-only").split() == [each.path for each in proposal.edits]
    assert places.git(folder, "status", "--porcelain").splitlines() == [f" M {TRIAGE}", "?? notes.txt"]
    with pytest.raises(UsageFault, match=r"^tickets is as it was committed: there is nothing to commit\.$"):
        lab.proposal(["tickets"])
    with pytest.raises(UsageFault, match=r"^reviews/tickets\.jsonl is as it was committed"):
        lab.proposal(["reviews/tickets.jsonl"])
    for wrong in ("tickats", "reviews/none.jsonl", "notes.txt", "../x", "reviews/../../x"):
        with pytest.raises(NotFound):
            lab.proposal([wrong])


CHAIN = """inputs = ["ticket"]
[[steps]]
name = "label"
prompt = "triage"
inputs = { ticket = "{{ ticket }}" }
[[steps]]
name = "known"
validate = { step = "label", choices = ["billing", "shipping"] }
"""


async def test_a_chain_is_committed_with_the_prompts_that_it_follows(folder: Path) -> None:
    write(folder, CHAIN, "sure")
    places.git(folder, "add", "-A")
    places.git(folder, "commit", "-qm", "Ask in steps")
    with pytest.raises(UsageFault, match="sure is as it was committed"):
        Lab.open(folder).proposal(["sure"])
    write(folder, places.FIRST)
    lab = Lab.open(folder)
    assert lab.subject("sure").version == "*"
    assert [each.path for each in lab.proposal(["sure"]).edits] == [TRIAGE]
    write(folder, CHAIN.replace('shipping"]', 'shipping", "other"]') + '[[steps]]\nname = "last"\n'
          'extract = { from = "{{ known.text }}", last_line = true }\n', "sure")  # fmt: skip
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=("sure@v1", "sure")))
    async for _ in lab.run(plan, lab.table(plan)):
        pass
    await lab.close()
    proposal = lab.proposal(["sure"])
    assert [each.path for each in proposal.edits] == ["prompts/sure.toml", TRIAGE]
    assert proposal.edits[0].parts == ("change known.choices", "add the step last")
    assert proposal.edits[0].verdicts[0].startswith("api: INVALID"), "the run of both versions of the chain"
    lab.commit(proposal, "Ask in three steps")
    assert lab.subject("sure").version == "v2"
