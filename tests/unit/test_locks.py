"""The locks agree with the requirements, and with each other."""

import re
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.compose import ROOT

# Each lock, and the files that it is made from.
LOCKS = {
    "requirements.lock": ("requirements.txt", "requirements-no-deps.txt"),
    "requirements-dev.lock": ("requirements-dev.txt",),
    "requirements-label-studio.lock": ("requirements-label-studio.txt",),
    "requirements-supply.lock": ("requirements-supply.txt",),
    "requirements-cpu.lock": (),
    "requirements-cuda.lock": (),
}
# A lock's entry: a requirement, then hashes, each on a line that ends the line before it with a backslash.
_ENTRY = re.compile(r"^(?P<requirement>[a-z0-9].*?)(?P<hashes>(?: \\\n    --hash=sha256:[0-9a-f]{64})*)$", re.MULTILINE)
in_each_lock = pytest.mark.parametrize("lock", LOCKS)


def entries(lock: str) -> list[tuple[Requirement, int]]:
    """Every requirement of a lock, with the number of its hashes."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return [(Requirement(found["requirement"]), found["hashes"].count("sha256:")) for found in _ENTRY.finditer(text)]


def versions(lock: str) -> dict[str, set[str]]:
    """The versions of every package of a lock: more than one where they depend on Python's version."""
    found: dict[str, set[str]] = {}
    for requirement, _ in entries(lock):
        found.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier))
    return found


@in_each_lock
def test_every_requirement_stands_in_its_lock_at_the_same_version(lock):
    locked = versions(lock)
    for file in LOCKS[lock]:
        lines = [line for line in (ROOT / file).read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
        asked = [Requirement(line) for line in lines]
        assert not [one for one in asked if locked.get(canonicalize_name(one.name)) != {str(one.specifier)}]


@in_each_lock
def test_every_package_of_a_lock_has_one_version_and_hashes(lock):
    found = entries(lock)
    assert found
    assert not [str(one) for one, hashes in found if hashes == 0 or not str(one.specifier).startswith("==")]


@in_each_lock
def test_a_lock_names_no_index_and_no_path(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"://|--index|--find-links|--extra|@ file", text)
    assert "via -r /" not in text


@pytest.mark.parametrize("other", ["requirements-dev.lock", "requirements-cuda.lock"])
def test_locks_of_one_environment_agree(other):
    ours, theirs = versions("requirements.lock"), versions(other)
    assert {name for name in ours.keys() & theirs.keys() if not theirs[name] <= ours[name]} == set()


def test_torch_without_cuda_is_the_same_version():
    (torch,) = versions("requirements-cpu.lock")["torch"]
    assert {torch.removesuffix("+cpu")} == versions("requirements.lock")["torch"]


def test_a_lock_is_complete_for_what_is_installed_from_it():
    locked = versions("requirements.lock")
    for name in ("flask", "transformers", "mistralai", "label-studio-sdk", "rq"):
        needed = [Requirement(line) for line in requires(name) or () if "extra ==" not in line]
        wanted = [one for one in needed if one.marker is None or one.marker.evaluate()]
        assert not [one.name for one in wanted if canonicalize_name(one.name) not in locked]
