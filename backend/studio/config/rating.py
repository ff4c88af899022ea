"""Rating tag of a labeling config → a rating: how many stars there are."""

from typing import Any

from backend.errors import UnsupportedConfigError
from backend.studio.config.labeling_config import ParsedConfig
from backend.studio.config.meaning import question_above
from model.tasks.label_names import Meaning
from model.tasks.rating.task import Rating
from model.types import MOST_STARS, LabelSet

# Label Studio's default.
USUAL_STARS = 5


def read_rating(config: ParsedConfig, control: Any) -> Rating:
    """Read a `Rating` over a text.

    Args:
        config: the labeling config.
        control: the `Rating`.

    Raises:
        UnsupportedConfigError: `maxRating` is no number from 2 to MOST_STARS.
    """
    given = str(control.attr.get("maxRating", USUAL_STARS)).strip()
    most = int(given) if given.isdecimal() else 0
    if not 2 <= most <= MOST_STARS:
        raise UnsupportedConfigError(
            f"Rating {control.name!r} has maxRating={given!r}; it must be a whole number from 2 to {MOST_STARS}"
        )
    stars = LabelSet(tuple(str(number) for number in range(1, most + 1)), is_multilabel=False)
    asked = Meaning(question=question_above(config.tag_of(control)))
    return Rating(control.name, config.text_name(control), config.fields_of(control), stars, asked)
