import pytest

from backend.errors import UnsupportedConfigError
from backend.studio.kinds import KINDS, labels_of, read_tasks
from tests.fakes import labeling_config
from tests.ratings import RATING, rating_config


@pytest.fixture
def ratings():
    KINDS.append(RATING)
    yield
    KINDS.remove(RATING)


@pytest.mark.usefixtures("ratings")
def test_a_config_is_read_by_the_first_kind_that_finds_its_question():
    assert [task.control for task in read_tasks(labeling_config())] == ["sentiment"]
    assert [task.control for task in read_tasks(rating_config("stars", "pace"))] == ["stars", "pace"]


@pytest.mark.usefixtures("ratings")
def test_labels_of_several_questions_are_named_once():
    assert labels_of(read_tasks(rating_config("stars", "pace"))) == ("2 stars", "3 stars")


def test_a_config_that_asks_nothing_known_is_refused():
    with pytest.raises(UnsupportedConfigError, match="no Choices over a text"):
        read_tasks(rating_config("stars"))
