"""The tools that make the demo's models: equal data everywhere, wordings held out, a training that repeats."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools" / "demo_model"
TRAINS = all(importlib.util.find_spec(name) for name in ("torch", "gguf"))

# The modules of a stage widen one another in place, hence a process per stage.
DATA = """
import hashlib, random, sys
import prepare, tasks
prepare.widen(sys.argv[1])
digest = hashlib.sha256()
for column in prepare.examples(seed=7, n=60, path="tokenizer.json", stage=sys.argv[1], shards=2):
    digest.update(str((column.dtype, column.shape)).encode() + column.tobytes())
print(digest.hexdigest())
print(hashlib.sha256(repr(prepare.tokenizer(seed=7, texts=60, vocabulary=400).merges).encode()).hexdigest())
"""

HELD_OUT = r"""
import random, re
import prepare, tasks, world
def held(value):
    if isinstance(value, str):
        return ([value[1:]] if value.startswith("~") else []) + re.findall(r"[{|]~([^{}|]*)", value)
    if isinstance(value, (list, tuple)):
        return [x for each in value for x in held(each)]
    return held(list(value.values())) if isinstance(value, dict) else []
names = [(module, name) for module in (tasks, world) for name in vars(module) if not name.startswith("__")]
wordings = sorted({x for module, name in names for x in held(getattr(module, name))})
prepare.widen("sixth")
rng = random.Random(5)
text = "\n".join(x["content"] for _ in range(600) for x in tasks.example(rng, "train")[0])
parts = {part.strip() for x in wordings for part in re.split(r"\{[^{}]*\}", x) if len(part.split()) >= 4}
print(len(wordings), len(parts))
print(*sorted(part for part in parts if part in text), sep="\n")
print(*sorted(set(re.findall(r"\{[a-zA-Z ]*\|[^{}]*\}|~\w+", text))), sep="\n")
"""


def python(code: str, *arguments: str, cwd: Path = TOOLS) -> list[str]:
    command = [sys.executable, "-B", "-c", code, *arguments]
    return subprocess.run(command, check=True, cwd=cwd, capture_output=True, text=True).stdout.split("\n")


@pytest.mark.parametrize(
    ("stage", "data", "merges"),
    [
        (
            "first",
            "f21e1f6fa1f66cf53c36a156243c4470974994d562c66df60f684162d13c09bb",
            "f35d4ed8fb6cdbd6fa35bb4587f0a6c84aa4f6a2bfdbbfef3ac4142a018e3b0d",
        ),
        (
            "second",
            "631730c18083e46adce659c6d9d8d93e255ee3ad8e3808609b02b453913fe014",
            "7a5074f1cee3a359da9bed55f92e2fe9a957cf8b43c0a5729624ecc45e133999",
        ),
        (
            "third",
            "abfaaffdc0559468d7045bc78f8b8c91714855e9372ef46a348dee291edf3636",
            "5092bd1037319310e200b36a84d18562a568578d9265c96ce68df2f44ea45bb8",
        ),
        (
            "fourth",
            "8a16cdf9e5d99a1ffaf191503ca7bde79f469157deb522a21569eabeecb0b66a",
            "02f965a31001b108eef76b2a0931292f35f046ce8e9251e8ec61c64fffe80544",
        ),
        (
            "fifth",
            "db44cff25aed2a6c49cff010a5e6c16c232431c66b0eb3fc492be400bef4afa3",
            "c8bbf74db79e696d70d736ab4e174ee9e6612a2cd4b0efcc6a0407cd92e4bd86",
        ),
        (
            "sixth",
            "014959e3eb788d583fbf2f5c31805de59e2ecee8cb00f37a977d68b9d7ff61ed",
            "86a8d445006b225ab4a7d7bb12d2465fd8cc5923cfa33b7272f7758083989784",
        ),
    ],
)
def test_a_stage_has_the_same_data_and_tokenizer_everywhere(stage: str, data: str, merges: str) -> None:
    assert python(DATA, stage)[:2] == [data, merges]


def test_no_training_text_has_a_held_out_wording_or_a_template_left_open() -> None:
    counts, *found = python(HELD_OUT)
    assert [int(n) for n in counts.split()] > [100, 40]
    assert [line for line in found if line] == []


def test_the_hand_written_tickets_are_labelled_and_in_no_template() -> None:
    rows = [json.loads(line) for line in (TOOLS / "hand.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 60
    assert {row["topic"] for row in rows} == {"billing", "shipping", "technical", "account", "other"}
    assert all(row["order"] == "none" or row["order"] in row["ticket"] for row in rows)
    templates = "".join(
        (TOOLS / f"{name}.py").read_text(encoding="utf-8")
        for name in ("world", "tasks", "more", "wider", "judging", "customers", "policies", "moods", "rulebooks")
    )
    sentences = [part for row in rows for part in row["ticket"].split(". ") if len(part.split()) > 3]
    assert [part for part in sentences if part.strip(" .?!") in templates] == []


@pytest.mark.skipif(not TRAINS, reason="needs torch and gguf (extra `train`)")
def test_25_steps_twice_give_one_file_that_the_engine_loads(tmp_path: Path) -> None:
    run = [
        sys.executable,
        "-B",
        str(TOOLS / "prepare.py"),
        "--stage",
        "first",
        "--n",
        "400",
        "--seed",
        "3",
        "--jobs",
        "1",
    ]
    subprocess.run([*run, "--tokenizer", str(TOOLS / "tokenizer.json"), "--out", str(tmp_path)], check=True)
    files: list[bytes] = []
    for name in ("one", "two"):
        weights, file = tmp_path / f"{name}.pt", tmp_path / name / "tiny.gguf"
        file.parent.mkdir()
        few = ["--steps", "25", "--decay", "10", "--tokens", "512", "--workers", "2", "--no-compile"]
        train = [str(TOOLS / "train.py"), "--data", str(tmp_path), "--preset", "nano", *few, "--out", str(weights)]
        subprocess.run([sys.executable, "-B", *train], check=True, timeout=300)
        export = [str(TOOLS / "export.py"), str(weights), str(tmp_path / "tokenizer.json"), str(file)]
        subprocess.run([sys.executable, "-B", *export], check=True)
        files.append(file.read_bytes())
    assert hashlib.sha256(files[0]).hexdigest() == hashlib.sha256(files[1]).hexdigest()
    assert files[0][:4] == b"GGUF"
    assert 1_000_000 < len(files[0]) < 1_500_000
