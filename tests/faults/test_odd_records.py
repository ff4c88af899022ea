"""Valid JSON of another form, or with numbers that nothing can be, in every record: pages, status and rounds go on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model.seals import sealed, unsealed
from tests.faults.test_state_files import (  # noqa: F401 - fixtures
    DOCUMENTS,
    LABELLED,
    UNHARMED,
    Project,
    grown,
    project,
    two_questions_on_one_core,
)

# A record of another form altogether.
FORMS = [
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"7",
    b"-1",
    b"1e999",
    b"NaN",
    b"true",
    b"[[7]]",
    b'{"at": "noon"}',
    b"[" * 9_999,
]
# Numbers in the place of a record's own.
NUMBERS = [b"-1", b"1e999", b"NaN", b"1e300", b"9" * 20, b'"noon"', b"null", b"[]"]
RECORDS = [*DOCUMENTS, "versions/current", "llm/ledger.json", "versions/2/manifest.json"]
# These four take half a minute on one core; the others are for `make soak`.
QUICK = ("applied.json", "wish.json", "errand_report.json", "versions/current")


def odd_records(content: bytes) -> Iterator[bytes]:
    """Records of other forms or of a newer release, and the record with odd numbers in the place of its own."""
    yield from FORMS
    record = json.loads(unsealed(content))
    for path in sorted({path for path, value in _leaves(record) if isinstance(value, int | float)}):
        for number in NUMBERS:
            yield json.dumps(_replaced(record, path)).encode().replace(b'"ODD"', number)
    if isinstance(record, dict):
        yield json.dumps({**record, "of a newer release": [1]}).encode()


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value that holds no other, and the names that lead to it; entries of a list have one name."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    elif isinstance(value, list):
        for inner in value[:1]:
            yield from _leaves(inner, (*path, "[]"))
    else:
        yield path, value


def _replaced(value: Any, path: tuple[str, ...]) -> Any:
    if not path:
        return "ODD"
    name, *rest = path
    if name == "[]":
        return [_replaced(inner, tuple(rest)) if place == 0 else inner for place, inner in enumerate(value)]
    return {**value, name: _replaced(value[name], tuple(rest))}


@pytest.mark.soak
@pytest.mark.parametrize("name", [name for name in RECORDS if name not in QUICK])
def test_an_odd_record_of_any_kind_stops_neither_page_nor_round(project: Project, name: str):  # noqa: F811
    damage_oddly(project, name)


@pytest.mark.parametrize("name", QUICK)
def test_an_odd_record_stops_neither_page_nor_round(project: Project, name: str):  # noqa: F811
    damage_oddly(project, name)


def damage_oddly(project: Project, name: str) -> None:  # noqa: F811
    """Put each odd record in the place of one, look at everything, and run a round at the end."""
    file = project.file(name)
    content = file.read_bytes()
    wrong = []
    for odd in odd_records(content):
        file.write_bytes(sealed(odd))
        wrong += [f"{odd[:200]!r}: {fault}" for fault in faults(project)]
        _clear(file, content)
    assert not wrong, "\n".join(wrong)
    file.write_bytes(sealed(b"[7]"))
    project.label(LABELLED + 1)
    assert project.status()["labels"] == LABELLED + 1


def _clear(file: Path, content: bytes) -> None:
    for broken in file.parents[1].rglob("*.broken"):
        if broken.is_dir():
            broken.rename(broken.with_name(broken.name.removesuffix(".broken")))
        else:
            broken.unlink()
    file.write_bytes(content)


def faults(project: Project) -> Iterator[str]:  # noqa: F811
    """What is not answered."""
    for path in (
        "/projects/1",
        "/projects/1/status",
        "/metrics",
        "/",
        f"/projects/{UNHARMED}/status",
        "/projects/1/prompt",
    ):
        answer = project.browser.get(path, headers={"Accept": "text/html" if "status" not in path else "*/*"})
        if answer.status_code >= 500:
            yield f"{path} {answer.status}"
        elif path.endswith("status"):
            try:
                json.loads(answer.text, parse_constant=_refuse)
            except ValueError as error:
                yield f"{path} {error}"
    try:
        project.predict()
    except AssertionError:
        yield "/predict"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
