"""What the tests on one Label Studio leave to each other: nothing."""

from collections.abc import Iterator

import pytest

from tests.annotators import Person


@pytest.fixture(autouse=True)
def no_project_outlives_its_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Delete a test's projects: a backend looks at each of its projects every minute, and later tests would wait."""
    yield
    if "owner" in request.fixturenames:
        owner: Person = request.getfixturevalue("owner")
        for project_id in list(owner.projects):
            owner.delete_project(project_id)
