"""The models of a workspace with what stored runs say of them."""

from __future__ import annotations

from pathlib import Path

import places
import pytest
from loopback import LoopbackServer
from tui.runs_made import finished

from promptlab.errors import NotFound
from promptlab.lab import Lab
from promptlab.lab.models_table import model_table
from promptlab.lab.values import RunRequest

PRICED = "price = { input = 1.0, output = 2.0 }\n"


def declare(folder: Path, server: LoopbackServer, name: str, extra: str = PRICED) -> None:
    path = folder / "promptlab.toml"
    path.write_text(f'{path.read_text()}[models.{name}]\nmodel = "{name}"\nbase_url = "{server.base_url}"\n{extra}')


async def test_only_the_text_as_it_is_over_the_examples_as_they_are(folder: Path) -> None:
    run = await finished(folder, RunRequest(("triage@v1", "triage"), ("api",), baseline="triage@v1"))
    await finished(folder, RunRequest(("triage",), ("api",), overrides=(("temperature", "0.5"),)), save=False)
    table = model_table(Lab.open(folder))
    assert (table.prompt, table.version, table.evalset, table.metric) == ("triage", "v2", "tickets", "exact")
    api, nano = table.rows
    assert api.measured is not None
    assert nano.measured is None
    assert (api.measured.run, api.measured.column) == (run, "b")
    assert api.measured.mean is not None
    assert (api.measured.mean.mean, api.measured.mean.n) == (1.0, 8)
    summary = Lab.open(folder).open_run(run).summary("b")
    assert summary.cost is not None
    assert api.measured.cost == pytest.approx(1000 * summary.cost / 8)
    assert (nano.context, nano.license, nano.quantisation, nano.info.data_goes) == (
        1024,
        "MIT",
        "Q8_0",
        "this machine",
    )
    path = folder / "evalsets" / "tickets.toml"
    path.write_text(path.read_text().replace("I was charged twice.", "I was charged thrice."))
    assert all(row.measured is None for row in model_table(Lab.open(folder)).rows)


async def test_most_answers_count_before_the_newest(folder: Path) -> None:
    whole = await finished(folder, RunRequest(("triage",), ("api",)))
    await finished(folder, RunRequest(("triage",), ("api",), only=("t1", "t2")))
    measured = model_table(Lab.open(folder)).rows[0].measured
    assert measured is not None
    assert measured.run == whole


async def test_another_model_under_the_same_name_has_no_run(folder: Path) -> None:
    await finished(folder, RunRequest(("triage",), ("api",)), save=False)
    assert model_table(Lab.open(folder)).rows[0].measured is not None
    path = folder / "promptlab.toml"
    path.write_text(path.read_text().replace('"scripted"', '"scripted-2"'))
    assert model_table(Lab.open(folder)).rows[0].measured is None


async def test_the_front_is_what_no_other_model_beats(folder: Path, server: LoopbackServer) -> None:
    declare(folder, server, "dear", "price = { input = 9.0, output = 9.0 }\n")
    declare(folder, server, "unpriced", "")
    await finished(folder, RunRequest(("triage",), ("api", "dear", "unpriced")))
    table = model_table(Lab.open(folder))
    assert table.front("cost") == {"api"}
    assert table.front("latency") <= {"api", "dear", "unpriced"}
    assert table.front("latency")
    path = folder / "promptlab.toml"
    path.write_text(path.read_text().replace("output = 9.0 }", 'output = 9.0, currency = "EUR" }'))
    table = model_table(Lab.open(folder))
    assert set(table.currencies) == {"USD", "EUR"}
    assert table.front("cost") == frozenset()


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    folder = places.workspace(tmp_path / "shop")
    with pytest.raises(NotFound):
        model_table(Lab.open(folder), "tirage")
    (folder / "evalsets" / "tickets.toml").unlink()
    (folder / "promptlab.toml").write_text("")
    assert model_table(Lab.open(folder)).problem.startswith("There is no eval set yet")
    (folder / "prompts" / "triage.toml").unlink()
    table = model_table(Lab.open(folder))
    assert table.problem == "There is no prompt yet: press 1, then n, to create one."
    assert table.rows == ()
