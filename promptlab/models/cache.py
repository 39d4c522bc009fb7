"""Answers that were already paid for: outcomes by cell key in one SQLite file outside every working tree.

The cache only ever saves work. Whatever is wrong with its file (a folder that cannot be written, a damaged
database, a newer promptlab's format, a full disk) turns it off and says so in :attr:`Cache.problem`; a run goes on
and asks the models.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec

from promptlab.models.values import Outcome

FILE_NAME = "outcomes.sqlite"
SCHEMA = 1
SIZE_LIMIT = 512 * 1024 * 1024
"""Bytes of used pages above which the oldest outcomes are dropped."""
BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process that writes."""

_KEYS_A_QUERY = 900  # Every SQLite build takes 999 variables in one statement.
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_IN_USE = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

# A row's id says how old it is: replacing a key gives it a new, higher id.
_CREATE = "CREATE TABLE outcome (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, body BLOB NOT NULL)"

_T = TypeVar("_T")


class NewerSchema(Exception):
    """The file was written by a later promptlab and is left as it is."""


def default_folder() -> Path:
    """The folder of the cache: ``PROMPTLAB_CACHE``, or the user's cache folder."""
    if named := os.environ.get("PROMPTLAB_CACHE"):
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("promptlab", appauthor=False)


class Cache:
    """Outcomes by cell key, and embeddings. Usable from several threads and by several processes at once.

    Attributes:
        path: The SQLite file.
        problem: Why nothing is cached (or was not, the last time), as a sentence, or "".
    """

    def __init__(self, folder: Path | None = None, *, limit: int = SIZE_LIMIT, fresh: bool = False) -> None:
        """Open or create the cache.

        Args:
            folder: Where its file lies; :func:`default_folder` when None.
            limit: Size in bytes above which the oldest outcomes are dropped.
            fresh: Know nothing but what is put in here from now on: what is asked anew is renewed for others, too.
        """
        self.path = (folder or default_folder()) / FILE_NAME
        self.problem = ""
        self._limit = limit
        self._new: set[str] | None = set() if fresh else None
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._guarded(lambda database: None, None)

    def get_many(self, keys: Iterable[str]) -> dict[str, Outcome]:
        """The outcomes that are known, by key, each marked ``cached`` and as measured when it was made."""
        wanted = [key for key in keys if self._new is None or key in self._new]
        return self._guarded(lambda database: _read(database, wanted), {})

    def put_many(self, outcomes: Iterable[Outcome]) -> None:
        """Remember outcomes, in one transaction. Faults, and what came from the cache itself, are left out."""
        rows = [(one.key, _encode(one)) for one in outcomes if one.fault is None and not one.cached]
        if self._new is not None:
            self._new.update(key for key, _ in rows)
        if rows:
            self._guarded(lambda database: _write(database, rows, self._limit), None)

    def vectors(self, keys: Iterable[str]) -> dict[str, tuple[float, ...]]:
        """The embeddings that are known, by key."""
        wanted = list(keys)
        found = self._guarded(lambda database: list(_bodies(database, wanted)), [])
        return {key: tuple(array("f", body)) for key, body in found if body and len(body) % 4 == 0}

    def put_vectors(self, vectors: Mapping[str, Sequence[float]]) -> None:
        """Remember embeddings, as 32-bit numbers, in one transaction."""
        rows = [(key, array("f", vector).tobytes()) for key, vector in vectors.items()]
        if rows:
            self._guarded(lambda database: _write(database, rows, self._limit), None)

    def close(self) -> None:
        """Let go of the file. A later call opens it again."""
        with self._lock:
            self._close()

    def _guarded(self, work: Callable[[sqlite3.Connection], _T], otherwise: _T) -> _T:
        """Do ``work`` on the database; on a fault of the file, note why and give ``otherwise``.

        A damaged file is moved aside once and the work is done on a fresh one.
        """
        with self._lock:
            for attempt in (1, 2):
                try:
                    if self._database is None:
                        self._database = _open(self.path)
                    result = work(self._database)
                except sqlite3.Error as error:
                    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                    if code not in _IN_USE:
                        self._close()
                    if code in _DAMAGED and attempt == 1 and _move_aside(self.path):
                        continue
                    self.problem = f"Answers are not cached in {self.path}: {error}."
                except NewerSchema:
                    self.problem = (
                        f"Answers are not cached: {self.path} was written by a newer promptlab. "
                        "Update promptlab, or set PROMPTLAB_CACHE to another folder."
                    )
                except OSError as error:
                    reason = (error.strerror or type(error).__name__).lower()
                    self.problem = f"Answers are not cached in {self.path}: {reason}."
                else:
                    self.problem = ""
                    return result
                break
            return otherwise

    def _close(self) -> None:
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None


def _open(path: Path) -> sqlite3.Connection:
    """Open the file, with the table in it.

    Raises:
        NewerSchema: When a later promptlab wrote it.
        OSError: When the folder cannot be made.
        sqlite3.Error: When SQLite cannot use it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Answers may hold private text: like a shell history, they are for this person's eyes only.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    database = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        if _scalar(database, "PRAGMA user_version") > SCHEMA:
            raise NewerSchema
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA journal_size_limit = 4194304")
        _create(database)
    except BaseException:
        database.close()
        raise
    return database


def _create(database: sqlite3.Connection) -> None:
    """Make the table, unless it is there."""
    if _scalar(database, "PRAGMA user_version") == SCHEMA:
        return
    with _transaction(database):
        # Asked again inside: another process may have made it meanwhile.
        if _scalar(database, "PRAGMA user_version") < SCHEMA:
            database.execute(_CREATE)
            database.execute(f"PRAGMA user_version = {SCHEMA}")


@contextmanager
def _transaction(database: sqlite3.Connection) -> Generator[None, None, None]:
    """All or nothing. Waits for other writers at the start, where SQLite lets one wait."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


_decoder = msgspec.msgpack.Decoder(Outcome)
_encoder = msgspec.msgpack.Encoder()


def _encode(outcome: Outcome) -> bytes:
    return _encoder.encode(msgspec.structs.replace(outcome, key="", cached=True))


def _read(database: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for key, body in _bodies(database, keys):
        # A row that no longer decodes is a miss; the next answer replaces it.
        with suppress(msgspec.DecodeError):
            found[key] = msgspec.structs.replace(_decoder.decode(body), key=key)
    return found


def _bodies(database: sqlite3.Connection, keys: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for some in _chunks(keys, _KEYS_A_QUERY):
        marks = ",".join("?" * len(some))
        yield from database.execute(f"SELECT key, body FROM outcome WHERE key IN ({marks})", some)


def _write(database: sqlite3.Connection, rows: Sequence[tuple[str, bytes]], limit: int) -> None:
    with _transaction(database):
        database.executemany("INSERT OR REPLACE INTO outcome (key, body) VALUES (?, ?)", rows)
        used = _used(database)
        while used > limit:
            count = _scalar(database, "SELECT count(*) FROM outcome")
            if count == 0:
                break
            # Down to nine tenths, so that a full cache does not count its rows at every write.
            drop = max(1, int(count * (1 - 0.9 * limit / used)))
            database.execute("DELETE FROM outcome WHERE id IN (SELECT id FROM outcome ORDER BY id LIMIT ?)", (drop,))
            used = _used(database)


def _used(database: sqlite3.Connection) -> int:
    """Bytes of the pages in use: what the file would be without the free ones, which are used again."""
    pages = _scalar(database, "PRAGMA page_count") - _scalar(database, "PRAGMA freelist_count")
    return pages * _scalar(database, "PRAGMA page_size")


def _scalar(database: sqlite3.Connection, query: str) -> int:
    return int(database.execute(query).fetchone()[0])


def _move_aside(path: Path) -> bool:
    """Rename a damaged file to ``….damaged`` (kept for a look) and drop its log files. True when that worked."""
    try:
        os.replace(path, path.with_name(path.name + ".damaged"))
    except OSError:
        return False
    for suffix in ("-wal", "-shm"):
        with suppress(OSError):
            path.with_name(path.name + suffix).unlink()
    return True


def _chunks(keys: Sequence[str], size: int) -> Iterator[list[str]]:
    rest = iter(keys)
    while some := list(islice(rest, size)):
        yield some
