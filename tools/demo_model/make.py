"""Make the demo's models from nothing: data, tokenizer, six stages of training each, an average of the last four, GGUF files, and their SHA-256.

usage: make.py FOLDER [--only nano]

Everything comes from seeds, by deterministic algorithms: the same files every time on one machine and one version of
torch. A step whose file is there is not done again. Needs `pip install promptlab[train]`; takes hours, nano alone much less.
"""
from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
DATA = {
    "first": ["--n", "300000", "--seed", "11"],
    "second": ["--n", "160000", "--seed", "21"],
    "third": ["--n", "64000", "--seed", "31"],
    "fourth": ["--n", "64000", "--seed", "31"],
    "fifth": ["--n", "40000", "--seed", "41"],
    "sixth": ["--n", "44000", "--seed", "51"],
}
TRAINING = {
    "mini": {
        "first": ["--steps", "5600", "--decay", "3640", "--tokens", "1024", "--muon", "0.015", "--short-first", "--seed", "1"],
        "second": ["--workers", "3", "--steps", "3000", "--decay", "2200", "--muon", "0.012", "--lr", "0.0025", "--seed", "2"],
        "third": ["--workers", "3", "--steps", "1500", "--decay", "1300", "--muon", "0.009", "--lr", "0.0018", "--seed", "4"],
        "fourth": ["--workers", "3", "--steps", "1800", "--decay", "1600", "--muon", "0.009", "--lr", "0.0018", "--seed", "5"],
        "fifth": ["--workers", "3", "--steps", "1100", "--decay", "900", "--muon", "0.009", "--lr", "0.0018", "--seed", "6"],
        "sixth": ["--workers", "3", "--steps", "2000", "--decay", "1800", "--muon", "0.009", "--lr", "0.0018", "--seed", "7"],
    },
    "nano": {
        "first": ["--steps", "600", "--decay", "400", "--muon", "0.015", "--short-first", "--seed", "1"],
        "second": ["--steps", "600", "--decay", "400", "--muon", "0.012", "--lr", "0.0025", "--seed", "2"],
        "third": ["--steps", "400", "--decay", "350", "--muon", "0.009", "--lr", "0.0018", "--seed", "4"],
        "fourth": ["--steps", "300", "--decay", "260", "--muon", "0.009", "--lr", "0.0018", "--seed", "5"],
        "fifth": ["--steps", "300", "--decay", "260", "--muon", "0.009", "--lr", "0.0018", "--seed", "6"],
        "sixth": ["--steps", "300", "--decay", "260", "--muon", "0.009", "--lr", "0.0018", "--seed", "7"],
    },
}
SHARES = {"fourth": "0.4", "fifth": "0.35", "sixth": "0.5"}  # of a stage, in the average with all before it from the third on
# One thread each, and memory is kept instead of given back after every step.
QUIET = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "8589934592", "MALLOC_TRIM_THRESHOLD_": "17179869184"}


def done(command: list[str], makes: Path) -> None:
    if makes.exists():
        print("there already:", makes, flush=True)
        return
    print("$", *command, flush=True)
    subprocess.run([sys.executable, str(HERE / command[0]), *command[1:]], check=True, env={**os.environ, **QUIET})


def make(folder: Path, preset: str) -> Path:
    """The GGUF file of one preset, made with all that it needs."""
    tokenizer = folder / "first" / "tokenizer.json"
    before: list[str] = []
    average = folder / f"{preset}-third.pt"
    for stage, options in DATA.items():
        data = folder / stage
        again = ["--tokenizer", str(tokenizer)] if stage != "first" else []
        done(["prepare.py", "--stage", stage, *options, *again, "--out", str(data)], data / "train.npz")
        weights = folder / f"{preset}-{stage}.pt"
        done(["train.py", "--data", str(data), "--preset", preset, *TRAINING[preset][stage], *before, "--out", str(weights)], weights)
        before = ["--init", str(weights)]
    for stage, share in SHARES.items():
        weights = folder / f"{preset}-to-{stage}.pt"
        done(["average.py", str(average), str(folder / f"{preset}-{stage}.pt"), share, str(weights)], weights)
        average = weights
    file = folder / f"{preset}.gguf"
    done(["export.py", str(average), str(tokenizer), str(file)], file)
    return file


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("folder", type=Path)
    ap.add_argument("--only", choices=sorted(TRAINING))
    a = ap.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    for preset in [a.only] if a.only else TRAINING:
        file = make(a.folder, preset)
        print(hashlib.sha256(file.read_bytes()).hexdigest(), file, flush=True)


if __name__ == "__main__":
    main()
