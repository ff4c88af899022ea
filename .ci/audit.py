"""Audit the locks against the weaknesses that PyPI knows, and say plainly what was not audited.

Usage: python .ci/audit.py LOCK...   (with pip-audit beside this Python; `make supply` calls it)

Exit code 1 if a package has a known weakness that .ci/accepted.toml does not accept, or accepts no longer. Where PyPI's
service does not answer, or does not know a package, the output says so, and CI goes on.
"""

import datetime
import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ACCEPTED = Path(__file__).with_name("accepted.toml")
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Accepted:
    """A weakness that somebody looked at.

    Attributes:
        package: the package that has it.
        reason: why it does not matter here.
        until: the day on which somebody looks again.
    """

    package: str
    reason: str
    until: datetime.date


def main(locks: list[str]) -> int:
    """Audit each lock, and print a line for each lock and each weakness. Returns the exit code."""
    accepted = {row.pop("id"): Accepted(**row) for row in _accepted_rows()}
    open_findings = 0
    for lock in locks:
        dependencies = _audited(lock)
        if dependencies is None:
            print(f"{lock}: NOT AUDITED: PyPI's service of weaknesses does not answer here; nor are locks after it")
            break
        unknown = [row["name"] for row in dependencies if "skip_reason" in row]
        if len(unknown) == len(dependencies):
            print(f"{lock}: NOT AUDITED: the package index here does not tell weaknesses; nor are locks after it")
            break
        print(f"{lock}: {len(dependencies) - len(unknown)} packages audited")
        if unknown:
            print(f"{lock}: NOT AUDITED, unknown to PyPI's service: {', '.join(sorted(unknown))}")
        open_findings += sum(_is_open(row, found, accepted) for row in dependencies for found in row.get("vulns", ()))
    return 1 if open_findings else 0


def _accepted_rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tomllib.loads(ACCEPTED.read_text(encoding="utf-8")).get("accepted", [])
    return rows


def _audited(lock: str) -> list[dict[str, Any]] | None:
    """What pip-audit found about a lock's packages; None if it could not ask."""
    command = [str(Path(sys.executable).with_name("pip-audit")), "--disable-pip", "--require-hashes", "-r", lock]
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            [*command, "--format", "json", "--progress-spinner", "off"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        return list(json.loads(done.stdout)["dependencies"])
    except (ValueError, subprocess.TimeoutExpired):
        return None


def _is_open(row: dict[str, Any], found: dict[str, Any], accepted: dict[str, Accepted]) -> bool:
    """Print a weakness; whether it fails the audit."""
    ids = [found["id"], *found.get("aliases", ())]
    known = next((accepted[one] for one in ids if one in accepted and accepted[one].package == row["name"]), None)
    is_accepted = known is not None and known.until >= datetime.date.today()
    why = f"accepted until {known.until}: {known.reason}" if known and is_accepted else "open"
    if known and not is_accepted:
        why = f"accepted until {known.until}, which has passed: look again"
    fix = ", ".join(found.get("fix_versions", ())) or "no version"
    print(f"  {row['name']} {row['version']}: {ids[0]}, mended in {fix}; {why}")
    return not is_accepted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
