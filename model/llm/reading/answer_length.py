"""The limit on the length of an answer: every reader takes time in proportion to it."""

from model.errors import UnreadableAnswerError

# Ten times the longest of the study's answers, which hold several turns. The slowest answer takes about a second.
MOST_CHARACTERS = 100_000


def check_length(answer: str) -> None:
    """Check the length of an answer.

    Raises:
        UnreadableAnswerError: the answer is longer than MOST_CHARACTERS.
    """
    if len(answer) > MOST_CHARACTERS:
        raise UnreadableAnswerError(
            f"the answer has {len(answer):,} characters, and at most {MOST_CHARACTERS:,} are read: "
            "give the part that lists the texts"
        )
