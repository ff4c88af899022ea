"""The example data set, examples/banking8: real questions of bank customers, with the right answers."""

import json

from examples.servers import ROOT

FOLDER = ROOT / "examples" / "banking8"


def questions(name: str) -> list[tuple[str, str]]:
    """(text, intent) of `pool` or `heldout`, each text once."""
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return list({row["text"]: row["label"] for row in map(json.loads, lines)}.items())


def intents() -> list[str]:
    """The eight labels."""
    return sorted({label for _, label in questions("pool")})
