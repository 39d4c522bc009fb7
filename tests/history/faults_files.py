"""Lines 58 to 80: texts, files and journals beside git."""

from __future__ import annotations

import os
import signal
import sqlite3
import tomllib
from pathlib import Path

import pytest
from runs.scripted import make_evalset, make_prompt, small_plan

from promptlab.compare.words import tokens, word_diff
from promptlab.errors import HistoryFault, NotFound, UsageFault
from promptlab.history.repository import Repository
from promptlab.history.snapshot import save_run
from promptlab.history.values import RunFiles
from promptlab.history.versions import at_revision, versions
from promptlab.models.cache import Cache
from promptlab.models.values import Fault as ModelsFault
from promptlab.models.values import Outcome
from promptlab.runs.journal import Journal, open_journal
from promptlab.runs.stored import read_outcomes, run_folder
from promptlab.runs.values import Cell, JournalLine
from promptlab.tui.safe import plain, visible
from promptlab.tui.screens.diff_fields import show_blanks
from promptlab.workspace.edit import CannotEdit, FileChanged, set_value, stamp, write_if_unchanged
from promptlab.workspace.evalsets import parse_evalset
from promptlab.workspace.identity import content_hash
from promptlab.workspace.toml import parse

from .conftest import V1, commit, sh
from .saver import FILES, MESSAGE
from .scene import Fault, Scene, in_child, kill_group, save
from .test_states import children

PROMPT = b"""\
# above the table
[params] # beside the header
temperature = 0.0       # beside the value
stop = ["a", "b"]

# above the message
[[messages]]
role = "user"
content = "{{ ticket }}" # last
"""
CONTENT = ("messages", 0, "content")
FAMILY, FLAG = "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea"


def line_ends(scene: Scene) -> None:
    text = PROMPT.rstrip(b"\n")
    for data in (text, text.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + text):
        edited = set_value(data, ("params", "temperature"), 0.7)
        assert edited == data.replace(b"0.0 ", b"0.7 ")
        assert content_hash(parse(data, "")) == content_hash(parse(PROMPT, ""))


def odd_texts(scene: Scene) -> None:
    quotes = ('say """x"""', "say '''x'''", "\"\"\"'''", "\\d")
    for text in (*quotes, "trailing  \n\t", "\0\x1b[31m", "lone\rCR", f"{FAMILY} {FLAG}", "a\u2028b"):
        edited = set_value(PROMPT, CONTENT, text)
        assert tomllib.loads(edited.decode())["messages"][0]["content"] == text
        assert edited.startswith(PROMPT[: PROMPT.index(b'"{{')])
        assert edited.endswith(b" # last\n")


def impossible_values(scene: Scene) -> None:
    for value in ("\ud800", None, {1, 2}, b"bytes", object()):
        with pytest.raises(CannotEdit):
            set_value(PROMPT, CONTENT, value)
    for value in (2**70, float("nan"), float("inf")):
        edited = set_value(PROMPT, ("params", "temperature"), value)
        assert repr(tomllib.loads(edited.decode())["params"]["temperature"]) == repr(value)
    assert content_hash({"x": float("nan")}) == content_hash({"x": float("nan")}) != content_hash({"x": 2**70})


def comments(scene: Scene) -> None:
    changes: list[tuple[tuple[str | int, ...], object]] = [
        (("params", "temperature"), 1.0),
        (("params", "stop"), ["c"]),
        (("params", "stop", 0), "z"),
        (("messages", 0, "role"), "system"),
        (CONTENT, "two\nlines"),
    ]
    for path, value in changes:
        edited = set_value(PROMPT, path, value).decode()
        found = [line.partition("#")[2] for line in edited.splitlines() if "#" in line]
        assert found == [" above the table", " beside the header", " beside the value", " above the message", " last"]


def ways_to_write(scene: Scene) -> None:
    inline = b'messages = [{ role = "user", content = "x" }] # one line\nparams.temperature = 0.0\n'
    assert set_value(inline, CONTENT, "y") == inline.replace(b'"x"', b'"y"')
    assert set_value(inline, ("params", "temperature"), 1) == inline.replace(b"0.0", b"1")
    split = b'[[messages]]\nrole = "a"\n[params]\nseed = 1\n[[messages]]\nrole = "b"\n'
    assert set_value(split, ("messages", 1, "role"), "c") == split.replace(b'"b"', b'"c"')
    with pytest.raises(CannotEdit):
        set_value(split, ("messages",), [])


def changed_on_disk(scene: Scene) -> None:
    file = scene.folder / "prompt.toml"
    file.write_bytes(b"theirs = 1\n")
    with pytest.raises(FileChanged):
        write_if_unchanged(file, b"mine = 1\n", stamp(b"as read = 1\n"))
    assert file.read_bytes() == b"theirs = 1\n"
    write_if_unchanged(file, b"mine = 1\n", stamp(b"theirs = 1\n"))
    assert file.read_bytes() == b"mine = 1\n"


def large_evalset(scene: Scene) -> None:
    """How long it takes is measured by bench_workspace.py."""
    examples = "".join(f'[[examples]]\nid = "e{n}"\nvars = {{ ticket = "Ticket {n}" }}\n' for n in range(2000))
    data = f'[[metrics]]\nid = "length"\n{examples}'.encode()
    evalset = parse_evalset(data, "large", "evalsets/large.toml", lambda path: b"")
    assert (len(evalset.examples), evalset.examples[-1].vars) == (2000, {"ticket": "Ticket 1999"})


def rebuilt(old: str, new: str) -> None:
    spans = word_diff(old, new)
    assert "".join(span.text for span in spans if span.op != "added") == old
    assert "".join(span.text for span in spans if span.op != "removed") == new


def plain_diffs(scene: Scene) -> None:
    for old, new in (("", ""), ("same", "same"), ("", "all new"), ("all gone", "")):
        rebuilt(old, new)
    assert [span.op for span in word_diff("same", "same")] == ["same"]
    assert [span.op for span in word_diff("", "new")] == ["added"]


def unrelated(scene: Scene) -> None:
    """It comes to its end within a budget; how long it takes is measured by bench_compare.py."""
    rebuilt(*(" ".join(f"{letter}{n * n}" for n in range(12_000)) for letter in "xy"))


def one_long_line(scene: Scene) -> None:
    words = [f"word{n}" for n in range(14_000)]
    old, new = " ".join(words), " ".join([*words[:7000], "other", *words[7001:]])
    rebuilt(old, new)
    assert [span.text for span in word_diff(old, new) if span.op == "added"] == ["other"]


def many_alike(scene: Scene) -> None:
    old = "".join(f"the same line {n % 7}\n" for n in range(5000))
    rebuilt(old, old.replace("line 3\n", "line three\n", 40))


def clusters(scene: Scene) -> None:
    for cluster in ("e\u0301", FAMILY, FLAG, "漢", "שלום"):
        assert tokens(f"a {cluster} b") == ["a", " ", cluster, " ", "b"]
        rebuilt(f"before {cluster}", f"after {cluster}{cluster}")


def only_blanks(scene: Scene) -> None:
    for old, new, shown in (("a b", "a  b", "·"), ("a\tb", "a b", "⇥"), ("a\r\nb", "a\nb", "␍")):
        changed = "".join(show_blanks(span.text) for span in word_diff(old, new) if span.op != "same")
        assert shown in changed


def escapes(scene: Scene) -> None:
    text = "[bold red]x[/] \x1b[31mred\x1b[0m \x9b31m"
    assert "\x1b" not in visible(text)
    assert "\x9b" not in visible(text)
    shown = plain(visible(text))
    assert shown.plain.startswith("[bold red]x[/]")
    assert shown.spans == []


def line(cell: Cell, text: str = "billing", fault: ModelsFault | None = None) -> JournalLine:
    outcome = Outcome(cell.key, "" if fault else text, finish="error" if fault else "stop", fault=fault)
    return JournalLine(cell.column, cell.example, cell.trial, outcome, 1.5)


def journal_file(root: Path, run: str) -> Path:
    return run_folder(root, run) / "outcomes.jsonl"


def stopped(root: Path, cells: int = 3) -> str:
    plan = small_plan(cells)
    journal = Journal.create(root, plan)
    journal.append([line(cell) for cell in plan.cells])
    journal.finish("partial")
    journal.close()
    return journal.run


def torn_tail(scene: Scene) -> None:
    root, plan = scene.folder, small_plan(4)
    run = stopped(root, 3)
    journal_file(root, run).write_bytes(journal_file(root, run).read_bytes()[:-9])
    assert len(read_outcomes(root, run).lines) == 2
    journal = Journal.resume(root, run, small_plan(3))
    journal.append([line(plan.cells[2], "again")])
    journal.close()
    found = read_outcomes(root, run)
    assert (len(found.lines), found.skipped) == (3, 0)


def duplicates(scene: Scene) -> None:
    run, (first, *_) = stopped(scene.folder), small_plan(3).cells
    journal = Journal.resume(scene.folder, run, small_plan(3))
    journal.append([line(first, "newer"), line(first, fault=ModelsFault("timeout", "no answer"))])
    journal.close()
    found = read_outcomes(scene.folder, run).lines
    assert (len(found), found[first.column, first.example, 0].outcome.text) == (3, "newer")


def bad_line(scene: Scene) -> None:
    run = stopped(scene.folder)
    file = journal_file(scene.folder, run)
    first, *rest = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([first, b'{"foreign": true}\n', b"\xff\xfe not json\n", *rest]))
    found = read_outcomes(scene.folder, run)
    assert (len(found.lines), found.skipped) == (3, 2)


def killed_while_writing(scene: Scene) -> None:
    plan, large = small_plan(40), "x" * 200_000
    report = scene.folder / "acknowledged"

    def write() -> None:
        journal = Journal.create(scene.folder, plan)
        with report.open("a", buffering=1) as out:
            print(journal.run, file=out)
            for cell in plan.cells:
                journal.append([line(cell, large)])
                print(cell.example, file=out)
        os.kill(os.getpid(), signal.SIGSTOP)  # never come to a clean end

    child = in_child(write)
    while not report.exists() or report.read_text().count("\n") < 12:
        os.sched_yield()
    kill_group(child)
    run, *acknowledged = report.read_text().splitlines()
    kept = {example for _, example, _ in read_outcomes(scene.folder, run).lines}
    assert set(acknowledged) <= kept


def other_work(scene: Scene) -> None:
    run = stopped(scene.folder)
    for plan in (
        small_plan(4),
        small_plan(3, ("other",)),
        small_plan(3, prompts=[make_prompt("Changed {{ ticket }}")]),
    ):
        with pytest.raises(UsageFault, match="cannot go on: its prompts, models, examples or metrics have changed"):
            Journal.resume(scene.folder, run, plan)
        other = open_journal(scene.folder, plan)
        other.close()
        assert other.run != run
    assert make_evalset(3) == make_evalset(3)


def cleaned(scene: Scene) -> None:
    folder = scene.repository()
    root = Repository.open(folder).common_dir / "promptlab"
    root.mkdir()
    run = stopped(root)
    (folder / "untracked.txt").write_text("x")
    sh(folder, "clean", "-fdxq")
    assert not (folder / "untracked.txt").exists()
    assert len(read_outcomes(root, run).lines) == 3


def caches(scene: Scene) -> None:
    folder = scene.repository()
    commit(folder, "two", triage=V1.replace("Route", "Route this"))

    def numbers() -> list[int]:
        return [version.number for version in versions(Repository.open(folder), "triage", "prompts/triage.toml")]

    assert numbers() == [1, 2]
    memory = folder / ".git" / "promptlab"
    for damage in (b"", b"\xff\0{", b'{"head":1}', b'[{"newer":"format"}]'):
        for file in memory.iterdir():
            file.write_bytes(damage)
        assert numbers() == [1, 2]
    for file in memory.iterdir():
        file.unlink()
    assert numbers() == [1, 2]

    outcome = Outcome("k", "billing")
    for damage in (b"", b"no database", b"newer"):
        place = scene.folder / f"cache {len(damage)}"
        cache = Cache(place)
        cache.put_many([outcome])
        cache.close()
        if damage == b"newer":
            with sqlite3.connect(cache.path) as database:
                database.execute("PRAGMA user_version = 99")
            database.close()
        else:
            cache.path.write_bytes(damage)
        again = Cache(place)
        assert again.get_many(["k"]) in ({}, {"k": outcome})
        again.put_many([outcome])
        assert bool(again.problem) == (damage == b"newer")
        again.close()


def no_children(scene: Scene) -> None:
    folder = scene.repository()
    save(folder)
    before = children()
    repo = Repository.open(folder)
    for _ in range(30):
        versions(repo, "triage", "prompts/triage.toml")
    repo.close()
    assert children() == before


def injected(scene: Scene) -> None:
    folder = scene.repository()
    written = scene.folder / "written"
    repo = Repository.open(folder)
    for text in ("--output=" + str(written), "-x", "--upload-pack=touch", "--", "-c core.fsmonitor=x"):
        with pytest.raises(NotFound):
            at_revision(repo, text, "prompts/triage.toml")
        with pytest.raises(NotFound):
            at_revision(repo, "HEAD", text)
        with pytest.raises(HistoryFault, match="git does not accept that as the name of a tag"):
            save_run(repo, text, "triage", FILES, MESSAGE)
        assert versions(repo, text, f"prompts/{text}.toml") == []
    save(folder, RunFiles({"--output=x": b"1"}, {"-x": b"2"}))
    assert not written.exists()
    assert sorted(path.name for path in folder.iterdir()) == [".git", "evalsets", "other.txt", "prompts", "third.txt"]


FAULTS = [
    Fault(58, "CRLF, byte order mark, no final newline", line_ends),
    Fault(59, "texts that are hard to write in TOML", odd_texts),
    Fault(60, "values that TOML does not have", impossible_values),
    Fault(61, "comments survive every edit", comments),
    Fault(62, "inline tables, dotted keys, split arrays of tables", ways_to_write),
    Fault(63, "changed on disk between load and save", changed_on_disk),
    Fault(64, "an eval set of 2,000 examples", large_evalset),
    Fault(65, "empty, equal and one-sided diffs", plain_diffs),
    Fault(66, "100 KB unrelated", unrelated),
    Fault(67, "one line of 100 KB", one_long_line),
    Fault(68, "5,000 lines nearly alike", many_alike),
    Fault(69, "combining marks, joined emoji, flags, right-to-left, CJK", clusters),
    Fault(70, "only blanks and line ends changed", only_blanks),
    Fault(71, "markup and escape codes in a text", escapes),
    Fault(72, "torn tail of a journal", torn_tail),
    Fault(73, "the same cell twice", duplicates),
    Fault(74, "a foreign and a bad line in the middle", bad_line),
    Fault(75, "kill -9 while 200 KB records are written", killed_while_writing),
    Fault(76, "other prompt, examples or model when going on", other_work),
    Fault(77, "git clean -fdx during a run", cleaned),
    Fault(78, "caches deleted, damaged, of a newer version", caches),
    Fault(79, "no child is left", no_children),
    Fault(80, "option injection", injected),
]
