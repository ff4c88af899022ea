import pytest

from backend.errors import UnsupportedConfigError
from backend.studio.config.kinds import KINDS, labels_of, read_tasks
from model.tasks.classification.task import Classification
from tests.ratings import RATING, Rating, rating_config

CHOICES = '<Choices name="mood" toName="text"><Choice value="good"/><Choice value="bad"/></Choices>'


@pytest.fixture
def ratings():
    KINDS.append(RATING)
    yield
    KINDS.remove(RATING)


@pytest.mark.usefixtures("ratings")
def test_every_control_is_read_by_its_kind_in_the_order_of_the_config():
    config = rating_config("stars", "pace").replace('<Rating name="pace"', f'{CHOICES}<Rating name="pace"')
    assert [(task.control, type(task)) for task in read_tasks(config)] == [
        ("stars", Rating),
        ("mood", Classification),
        ("pace", Rating),
    ]


@pytest.mark.usefixtures("ratings")
def test_labels_of_several_questions_are_named_once():
    assert labels_of(read_tasks(rating_config("stars", "pace"))) == ("2 stars", "3 stars")


def test_a_config_that_asks_nothing_known_is_refused():
    with pytest.raises(UnsupportedConfigError, match="no Choices over a text"):
        read_tasks(rating_config("stars"))
