""".ci/audit.py: findings fail, unless they are accepted for now; what was not audited is said."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.compose import ROOT

FINDING = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.0"]}
SOUND = {"name": "sound", "version": "1.0", "vulns": []}
WEAK = {"name": "weak", "version": "1.0", "vulns": [FINDING]}
UNKNOWN = {"name": "private", "version": "1.0", "skip_reason": "not found on PyPI"}


@pytest.fixture
def audit(tmp_path):
    """Run the audit where pip-audit answers with these packages, or breaks, and these weaknesses are accepted."""
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    shutil.copy(ROOT / ".ci" / "audit.py", tmp_path)

    def run(*packages: dict[str, object], accepted: str = "", breaks: bool = False) -> tuple[int, str]:
        (tmp_path / "answer").write_text("Traceback" if breaks else json.dumps({"dependencies": packages}))
        (tmp_path / "accepted.toml").write_text(accepted)
        program = tmp_path / "pip-audit"
        program.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\nexit 1\n")
        program.chmod(0o755)
        command = [str(python), str(tmp_path / "audit.py"), "some.lock"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout

    return run


def accepting(until: str, name: str = "CVE-1", package: str = "weak") -> str:
    return f'[[accepted]]\nid = "{name}"\npackage = "{package}"\nreason = "not reached"\nuntil = {until}\n'


def test_packages_without_weaknesses_pass(audit):
    assert audit(SOUND) == (0, "some.lock: 1 packages audited\n")


def test_a_weakness_fails_and_names_the_mended_version(audit):
    code, said = audit(SOUND, WEAK)
    assert code == 1
    assert "weak 1.0: PYSEC-1, mended in 2.0; open" in said


def test_a_weakness_that_is_accepted_passes_with_its_reason(audit):
    code, said = audit(WEAK, accepted=accepting("2999-01-01"))
    assert code == 0
    assert "accepted until 2999-01-01: not reached" in said


@pytest.mark.parametrize(
    "accepted", [accepting("2020-01-01"), accepting("2999-01-01", "CVE-2"), accepting("2999-01-01", package="other")]
)
def test_a_weakness_that_is_accepted_no_longer_or_elsewhere_fails(audit, accepted):
    assert audit(WEAK, accepted=accepted)[0] == 1


def test_a_service_that_does_not_answer_is_said_and_fails_nothing(audit):
    code, said = audit(breaks=True)
    assert (code, "NOT AUDITED" in said) == (0, True)


def test_an_index_that_knows_no_weaknesses_is_said_and_fails_nothing(audit):
    code, said = audit(UNKNOWN)
    assert (code, "NOT AUDITED" in said, "1 packages audited" in said) == (0, True, False)


def test_a_package_that_the_service_does_not_know_is_named(audit):
    code, said = audit(SOUND, UNKNOWN)
    assert (code, "unknown to PyPI's service: private" in said) == (0, True)
