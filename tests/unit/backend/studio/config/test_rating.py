import pytest

from backend.errors import UnsupportedConfigError
from model.tasks.rating.task import Rating
from model.tasks.task import TextField
from model.types import LabelSet
from tests.fakes import the_task


def rating(**attributes: str) -> str:
    given = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return f'<View><Text name="t" value="$text"/><Rating name="urgency" toName="t" {given}/></View>'


def test_a_rating_has_five_stars_unless_the_config_says_how_many():
    five = LabelSet(("1", "2", "3", "4", "5"))
    assert the_task(rating()) == Rating("urgency", "t", (TextField("Text", "text"),), five)
    assert the_task(rating(maxRating="3")).label_set.labels == ("1", "2", "3")


@pytest.mark.parametrize("most", ["1", "0", "-5", "101", "many", "", "2.5", "²"])
def test_a_scale_that_is_none_is_refused(most):
    with pytest.raises(UnsupportedConfigError, match="Rating 'urgency' has maxRating"):
        the_task(rating(maxRating=most))


def test_the_header_above_is_what_people_are_asked_and_an_llm_is_told_the_scale():
    config = rating(maxRating="3").replace("<Rating", '<Header value="How urgent is it?"/><Rating')
    question = the_task(config)
    assert question.asks == "How urgent is it?"
    assert question == the_task(rating(maxRating="3"))
    assert question.label_note == "A label is a number of stars: 1 is the least, 3 the most."
