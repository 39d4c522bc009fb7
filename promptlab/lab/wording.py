"""How numbers are written, the same on the command line and on the screen."""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptlab.compare.values import Interval
from promptlab.scoring.values import MetricInfo, Reply, Score

PREFERRED = {1.0: "wins", 0.5: "tie", 0.0: "loses"}
SPARKS = "▁▂▃▄▅▆▇█"


def is_share(info: MetricInfo) -> bool:
    """Whether a mean of the metric reads best as a percentage."""
    return info.kind in ("binary", "preference") and info.unit == ""


def number(value: float, info: MetricInfo) -> str:
    """One value of a metric with its unit: ``74.2 %``, ``412 ms``, ``3.25``."""
    if is_share(info):
        return f"{100 * value:.1f} %"
    if info.unit == "s":
        return seconds(value)
    return f"{value:.4g} {info.unit}".rstrip()


def known(value: float | None, info: MetricInfo | None) -> str:
    """One value of a metric of which perhaps nothing else is known, "" without any value."""
    if value is None:
        return ""
    return number(value, info) if info else f"{value:.3g}"


def mean(interval: Interval | None, info: MetricInfo) -> str:
    """A mean with its interval: ``74.2 % [65.7, 81.2]``, or ``412 ms (n = 1)``; ``–`` without any value."""
    if interval is None:
        return "–"
    if math.isnan(interval.low):
        return f"{number(interval.mean, info)} (n = {interval.n})"
    if is_share(info):
        return f"{100 * interval.mean:.1f} % [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
    if info.unit == "s":
        return f"{seconds(interval.mean)} [{seconds(interval.low)}, {seconds(interval.high)}]"
    return f"{interval.mean:.4g}{' ' * bool(info.unit)}{info.unit} [{interval.low:.4g}, {interval.high:.4g}]"


def points(delta: float, info: MetricInfo) -> str:
    """A signed difference: ``+4.2 points`` for shares, else in the metric's unit."""
    return f"{100 * delta:+.1f} points" if is_share(info) else f"{delta:+.4g} {info.unit}".rstrip()


def change(delta: float | None, info: MetricInfo | None) -> str:
    """A signed difference of a metric of which perhaps nothing else is known, "" without any."""
    if delta is None:
        return ""
    return points(delta, info) if info else f"{delta:+.3g}"


def effect(value: float, info: MetricInfo, scale: str) -> str:
    """An end or the middle of a verdict's effect: a signed difference, or a factor."""
    return f"× {value:.3g}" if scale == "ratio" else points(value, info)


def score(value: Score, info: MetricInfo | None) -> str:
    """One score, or why it is missing."""
    if value.value is None:
        return f"missing: {value.missing}"
    if info is None:
        return f"{value.value:.4g}"
    if info.kind == "binary":
        return f"{value.value:g}"
    if info.kind == "preference" and value.value in PREFERRED:
        return PREFERRED[value.value]
    return number(value.value, info)


def said(reply: Reply) -> str:
    """What one judging model replied, with what it was asked about."""
    about = {"": "", "AB": ", baseline first", "BA": ", baseline second"}.get(reply.about, f" on “{reply.about}”")
    value = f"{reply.value:.3g}" if reply.value is not None else "–"
    text = " ".join(reply.text.split())
    return f"{reply.model}{about}: {value}{f' — {text}' if text != value else ''}"


def headline(sentence: str) -> str:
    """A verdict without its counts: ``BETTER: exact is 27.5 points higher (95 % interval +18.0 to +37.0)``."""
    said, counts, _ = sentence.partition(", n = ")
    return f"{said})" if counts else sentence.removesuffix(".")


def seconds(value: float) -> str:
    """A duration at a glance: ``7 ms``, ``1.24 s``, ``3 min 20 s``."""
    if abs(value) < 0.9995:
        return f"{1000 * value:.3g} ms" if abs(value) < 0.0095 else f"{1000 * value:.0f} ms"
    if abs(value) < 60:
        return f"{value:.3g} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def spark(values: Sequence[float | None]) -> str:
    """A trend as a row of blocks between its own least and greatest value; ``·`` where there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, span = min(known), (max(known) - min(known)) or 1.0
    return "".join("·" if v is None else SPARKS[round((v - low) / span * (len(SPARKS) - 1))] for v in values)


def plural(count: int, word: str) -> str:
    """``1 example``, ``1,300 examples``."""
    return f"{count:,} {word}{'s' * (count != 1)}"
