from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from promptlab.models.cache import FILE_NAME, Cache, default_folder
from promptlab.models.values import Fault, Outcome, Usage


def outcome(key: str, text: str = "billing") -> Outcome:
    return Outcome(
        key=key,
        text=text,
        finish="length",
        usage=Usage(prompt=12, completion=3, cached=4, reasoning=1),
        latency=0.25,
        cost=0.0001,
        fingerprint="fp",
    )


def test_an_outcome_comes_back_as_it_was_and_marked_cached(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put_many([outcome("a"), outcome("b", "naïve ✓\x00")])
    found = cache.get_many(["a", "b", "missing"])
    assert found == {
        "a": replace(outcome("a"), cached=True),
        "b": replace(outcome("b", "naïve ✓\x00"), cached=True),
    }
    assert cache.problem == ""
    cache.close()


@settings(max_examples=25)
@given(st.dictionaries(st.text("0123456789abcdef", min_size=1), st.text(), max_size=8))
def test_what_is_put_is_what_is_got(texts: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder))
        cache.put_many(outcome(key, text) for key, text in texts.items())
        assert {key: one.text for key, one in cache.get_many(texts).items()} == texts
        cache.close()


def test_faults_and_what_came_from_the_cache_are_not_stored(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put_many(
        [
            Outcome(key="broken", finish="error", fault=Fault("timeout", "m gave no answer.")),
            replace(outcome("again"), cached=True),
        ]
    )
    assert cache.get_many(["broken", "again"]) == {}
    cache.close()


def test_a_second_outcome_replaces_the_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put_many([outcome("a", "one")])
    cache.put_many([outcome("a", "two"), outcome("a", "three")])
    assert cache.get_many(["a"])["a"].text == "three"
    cache.close()


def test_it_outlives_the_process_and_a_close(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new" / "folder")
    cache.put_many([outcome("a")])
    cache.close()
    cache.close()
    assert cache.get_many(["a"])["a"].text == "billing"
    cache.close()
    assert (cache.path.stat().st_mode & 0o777) == 0o600


def test_the_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAB_CACHE", str(tmp_path / "mine"))
    assert default_folder() == tmp_path / "mine"
    cache = Cache()
    cache.put_many([outcome("a")])
    cache.close()
    assert (tmp_path / "mine" / FILE_NAME).is_file()
    monkeypatch.delenv("PROMPTLAB_CACHE")
    assert default_folder().name == "promptlab"


def test_ten_thousand_known_keys_are_found(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    keys = [f"{number:064x}" for number in range(10_000)]
    cache.put_many(outcome(key, "a reply of some length " * 10) for key in keys)
    assert cache.get_many(keys).keys() == set(keys)
    cache.close()


def test_the_oldest_are_dropped_when_it_is_full(tmp_path: Path) -> None:
    limit = 512 * 1024
    cache = Cache(tmp_path, limit=limit)
    cache.put_many([outcome("first", "x" * 1000)])
    for batch in range(20):
        cache.put_many(outcome(f"{batch}-{number}", "x" * 1000) for number in range(50))
    assert cache.get_many(["first", "0-0"]) == {}
    assert set(cache.get_many(["19-49", "19-0"])) == {"19-49", "19-0"}
    cache.close()
    assert cache.path.stat().st_size <= limit * 1.2


def test_an_outcome_larger_than_the_whole_cache_is_dropped_without_a_fault(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=64 * 1024)
    cache.put_many([outcome("big", "x" * 1_000_000)])
    assert cache.get_many(["big"]) == {}
    assert cache.problem == ""
    cache.close()


@pytest.mark.parametrize("rest", [b"this was never a database", b""])
def test_a_damaged_file_is_moved_aside(tmp_path: Path, rest: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(rest * 500)
    cache = Cache(tmp_path)
    cache.put_many([outcome("a")])
    assert cache.problem == ""
    assert set(cache.get_many(["a"])) == {"a"}
    cache.close()
    assert (tmp_path / (FILE_NAME + ".damaged")).exists() == bool(rest)


def test_damage_met_in_the_middle_of_the_work_loses_only_the_old_answers(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put_many(outcome(f"k{number}", "x" * 500) for number in range(500))
    cache.close()
    data = bytearray(cache.path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    cache.path.write_bytes(data)
    cache.put_many([outcome("after")])
    assert set(cache.get_many(["after"])) == {"after"}
    assert cache.problem == ""
    cache.close()


def test_a_folder_that_cannot_be_made_turns_it_off(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file" / "cache")
    cache.put_many([outcome("a")])
    assert cache.get_many(["a"]) == {}
    assert cache.problem == f"Answers are not cached in {cache.path}: not a directory."


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_turns_it_off(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    cache = Cache(folder)
    assert cache.get_many(["a"]) == {}
    assert cache.problem == f"Answers are not cached in {cache.path}: permission denied."


def test_a_full_disk_turns_it_off_and_a_later_write_on_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    database = cache._database
    assert database is not None
    database.execute("PRAGMA max_page_count = 4")
    cache.put_many([outcome("big", "x" * 100_000)])
    assert cache.problem == f"Answers are not cached in {cache.path}: database or disk is full."
    cache.put_many([outcome("small")])
    assert cache.problem == ""
    assert set(cache.get_many(["small"])) == {"small"}
    cache.close()


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE tomorrow (x)")
    database.execute("PRAGMA user_version = 99")
    database.close()
    before = path.read_bytes()
    cache = Cache(tmp_path)
    cache.put_many([outcome("a")])
    assert cache.get_many(["a"]) == {}
    assert cache.problem == (
        f"Answers are not cached: {path} was written by a newer promptlab. "
        "Update promptlab, or set PROMPTLAB_CACHE to another folder."
    )
    cache.close()
    assert sqlite3.connect(path).execute("SELECT count(*) FROM tomorrow").fetchone() == (0,)
    assert path.read_bytes() == before


def test_a_row_that_does_not_decode_is_a_miss(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put_many([outcome("a"), outcome("b")])
    cache.close()
    with sqlite3.connect(cache.path) as database:
        database.execute("UPDATE outcome SET body = x'93' WHERE key = 'a'")
    database.close()
    assert set(cache.get_many(["a", "b"])) == {"b"}
    cache.close()


def test_a_writer_that_takes_too_long_costs_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlab.models.cache.BUSY_TIMEOUT", 0.05)
    cache = Cache(tmp_path)
    cache.put_many([outcome("before")])
    other = sqlite3.connect(cache.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    cache.put_many([outcome("meanwhile")])
    assert cache.problem == f"Answers are not cached in {cache.path}: database is locked."
    assert set(cache.get_many(["before", "meanwhile"])) == {"before"}
    other.execute("COMMIT")
    other.close()
    cache.put_many([outcome("after")])
    assert set(cache.get_many(["after"])) == {"after"}
    assert cache.problem == ""
    cache.close()


def test_several_threads_share_one_cache(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def work(name: int) -> None:
        for number in range(20):
            cache.put_many([outcome(f"{name}-{number}")])
            cache.get_many([f"{name}-{number}"])

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cache.get_many(f"{name}-{number}" for name in range(4) for number in range(20))) == 80
    assert cache.problem == ""
    cache.close()


def test_two_processes_create_and_fill_it_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from promptlab.models.cache import Cache;"
        "from promptlab.models.values import Outcome\n"
        "cache = Cache(Path(sys.argv[1]))\n"
        "for n in range(50): cache.put_many([Outcome(key=f'{sys.argv[2]}-{n}', text='x')])\n"
        "print(cache.problem)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
        for name in ("a", "b", "c")
    ]
    assert [one.communicate(timeout=30)[0] for one in running] == ["\n"] * 3
    cache = Cache(tmp_path)
    assert len(cache.get_many(f"{name}-{number}" for name in "abc" for number in range(50))) == 150
    cache.close()
