"""Answers that a program is to run: SQL, and calls of tools. Nothing of them is ever run here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import cast

from msgspec import json as msgspec_json

from promptlab.scoring.families.json_answers import Json, parse_json, schema_errors, schema_option
from promptlab.scoring.metric import Case, Metric, Missing, yes_no
from promptlab.scoring.values import Score
from promptlab.workspace import sheet as check
from promptlab.workspace.sheet import Expected
from promptlab.workspace.toml import shown

_CODE_LIMIT = 100_000
_STEPS = 1_000_000
"""Steps of SQLite's machine that declaring a schema may take."""
_NAMES = ("no such table", "no such column", "no such function", "no such index", "no such view", "unknown database")
_COMPILED_ONLY = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA})


def sql_valid(case: Case) -> Score:
    """Every statement of the answer is SQL as SQLite reads it, and with ``tables`` names nothing that those lack.

    Each is compiled against an empty database in memory and not run.
    """
    if len(case.text) > _CODE_LIMIT:
        raise Missing(f"the answer has more than {_CODE_LIMIT:,} characters")
    schema = str(case.options.get("tables", ""))
    database = _declared(schema)
    try:
        statements = list(_statements(case.text))
        for statement in statements:
            if problem := _problem(database, statement, bool(schema)):
                return case.score(0, shown(problem))
        return case.score(bool(statements), "" if statements else "no statement in the answer")
    finally:
        database.close()


def _declared(schema: str) -> sqlite3.Connection:
    """An empty database with some tables.

    Raises:
        sqlite3.Error: The schema is wrong, or does more than to declare.
    """
    database = sqlite3.connect(":memory:")
    try:
        database.set_authorizer(_compiled)
        database.set_progress_handler(lambda: 1, _STEPS)
        database.executescript(schema)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _compiled(action: int, *_: object) -> int:
    """Nothing that acts while it is compiled: other files are not opened, and settings stay."""
    return sqlite3.SQLITE_DENY if action in _COMPILED_ONLY else sqlite3.SQLITE_OK


def _statements(text: str) -> Iterator[str]:
    """The statements of a text; a semicolon within a string or a trigger ends none."""
    parts = text.split(";")
    statement = ""
    for at, part in enumerate(parts):
        statement += part + (";" if at < len(parts) - 1 else "")
        if sqlite3.complete_statement(statement) or at == len(parts) - 1:
            if statement.strip(" \t\r\n;"):
                yield statement.strip()
            statement = ""


def _problem(database: sqlite3.Connection, statement: str, named: bool) -> str:
    try:
        database.execute(f"EXPLAIN {statement}")
    except sqlite3.Warning as fault:
        return str(fault)
    except sqlite3.ProgrammingError:
        return ""  # it has parameters, which are given when it runs
    except sqlite3.Error as fault:
        if "not authorized" in str(fault):
            raise Missing("the answer attaches databases or sets pragmas, which are not read") from None
        if named or not str(fault).startswith(_NAMES):
            return str(fault)
    return ""


def tool_call(case: Case) -> Score:
    """The answer is JSON, a call or a list of calls, each of a declared tool and with arguments that it takes.

    A call is ``{"name": …, "arguments": {…}}``, or that below ``function``; the arguments may be JSON in a text.
    """
    tools = cast("Mapping[str, object]", case.options["tools"])
    try:
        answer = parse_json(case.text)
        calls = answer if isinstance(answer, list) else [answer]
        if not calls:
            return case.score(0, "the answer calls no tool")
        for call in calls:
            _check_call(call, tools)
    except ValueError as fault:
        return case.score(0, str(fault))
    return case.score(1)


def _check_call(call: Json, tools: Mapping[str, object]) -> None:
    """Raise ``ValueError`` with what is wrong with a call."""
    if isinstance(call, dict) and isinstance(inner := call.get("function"), dict):
        call = inner
    if not isinstance(call, dict) or not isinstance(name := call.get("name"), str):
        raise ValueError("a call has no `name`")
    if name not in tools:
        raise ValueError(f"there is no tool `{shown(name, 60)}`")
    arguments = call.get("arguments", {})
    if isinstance(arguments, str):
        arguments = parse_json(arguments)
    if errors := schema_errors(msgspec_json.encode(tools[name]), arguments):
        raise ValueError(f"{name}: {errors}")


def _tools(value: object) -> object:
    tools = cast("dict[str, object]", check.plain_table(value))
    if not tools:
        raise Expected("a table of tools, each with the JSON schema of its arguments")
    return {name: schema_option(schema) for name, schema in tools.items()}


def _tables(value: object) -> object:
    schema = check.word(value)
    try:
        _declared(schema).close()
    except sqlite3.Error as fault:
        raise Expected("statements that declare tables", f"some that SQLite refuses: {fault}") from None
    return schema


METRICS = (
    Metric(yes_no("sql_valid", "the answer is SQL (SQLite's)"), sql_valid, {"tables": _tables}),
    Metric(
        yes_no("tool_call", "the answer calls declared tools with arguments that they take"),
        tool_call,
        {"tools": _tools},
        ("tools",),
    ),
)
