"""docker-compose.yml as Docker Compose reads it: variables replaced, anchors merged."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<kind>:-|:\?)(?P<other>[^}]*)\}")


def compose_file(name: str = "docker-compose.yml", **variables: str) -> dict[str, Any]:
    """Read a compose file.

    Args:
        name: of the file.
        **variables: what .env holds.
    """

    def value(found: re.Match[str]) -> str:
        if variables.get(found["name"]):
            return variables[found["name"]]
        assert found["kind"] == ":-", f"{found['name']} must be set: {found['other']}"
        return found["other"]

    text = (ROOT / name).read_text(encoding="utf-8")
    # Comments speak of variables as well.
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    loaded: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(value, "\n".join(lines)).replace("$$", "$"))
    return loaded
