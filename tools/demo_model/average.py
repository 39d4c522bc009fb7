"""Average two checkpoints: what the last stage added, kept without all that it cost.

usage: average.py BEFORE.pt LAST.pt SHARE OUT.pt      (SHARE of the last)
"""
from __future__ import annotations

import sys

import torch


def main(first: str, second: str, share: float, out: str) -> None:
    a, b = torch.load(first), torch.load(second)
    a["model"] = {name: (1 - share) * value + share * b["model"][name] for name, value in a["model"].items()}
    torch.save(a, out)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4])
