"""What is known of one model, in the words of the command line and of the screen."""

from __future__ import annotations

from promptlab.models.speed import Speed
from promptlab.models.values import ModelDetails

NOT_KNOWN = "–"


def facts(found: ModelDetails) -> list[tuple[str, str]]:
    """What is known, by its label; "" where it is not."""
    info, header = found.info, found.header
    of_file = (
        [
            ("architecture", header.architecture),
            ("title", header.name),
            ("weights", f"{header.parameters / 1e6:.1f} million"),
            ("quantisation", ", ".join(f"{kind} {share:.1%}" for kind, share in header.quantisation)),
            ("trained context", f"{header.context} tokens" if header.context else ""),
        ]
        if header
        else []
    )
    of_endpoint = [
        ("key", f"in the variable {found.key}" if found.key else ""),
        ("timeout", f"{found.timeout:g} s for one request" if found.timeout else ""),
        ("at once", f"{found.concurrency} requests" if found.concurrency else ""),
    ]
    return [
        ("name", info.name),
        ("kind", "a GGUF file" if info.kind == "gguf" else "an endpoint"),
        ("model", info.target),
        ("size", megabytes(info.size) if info.size else ""),
        *of_file,
        ("context", f"{found.context} tokens" if found.context else ""),
        ("threads", str(found.threads or "")),
        *of_endpoint,
        ("digest" if info.kind == "gguf" else "identity", info.identity),
        ("license", info.license or ""),
        ("price", info.price),
        ("data goes to", info.data_goes),
        ("speed", fastest(info.speed) if info.speed else ""),
        ("state", info.problem.removeprefix(f"{info.name}: ") or "ready"),
        ("chat template", header.template or "none: it continues the text" if header else ""),
    ]


def megabytes(size: int | None) -> str:
    """A size at a glance: ``41.2 MB``."""
    return f"{size / 1e6:.1f} MB" if size else NOT_KNOWN


def rate(tokens: float | None) -> str:
    """Tokens a second as a whole number."""
    return NOT_KNOWN if tokens is None else f"{tokens:.0f}"


def fastest(speed: Speed | None) -> str:
    """Prompt and answer tokens a second, the latter with as many at once as is best."""
    if speed is None or not speed.answers:
        return NOT_KNOWN
    return f"{rate(speed.prompt)} / {rate(max(speed.answers.values()))} tok/s"
