"""The meaning of labels in words: from their names, from descriptions, and from the project's question."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as record_field
from pathlib import Path

from model.errors import LabelDescriptionError
from model.types import LabelTexts

# About 60 English words: longer than any label's name, and shorter than an encoder's window.
MAX_CHARACTERS = 300
# The most labels that an error names.
LABELS_NAMED = 10
_SHOWN_CHARACTERS = 60
# Underscores and slashes, a hyphen within a word, and a dot that is not within a number.
_SEPARATOR = re.compile(r"[_/\\]|(?<=[^\W\d_])-(?=[^\W\d_])|(?<!\d)\.|\.(?!\d)")


def has_words(text: str) -> bool:
    """Whether a text holds a letter or digit of any script."""
    return any(character.isalnum() for character in text)


def label_words(label: str) -> str:
    """Turn a label into words; empty for a label without a letter or digit.

    >>> label_words("card_payment_fee"), label_words("Sci/Tech"), label_words("lostOrStolenCard")
    ('card payment fee', 'Sci Tech', 'lost Or Stolen Card')
    """
    return tidy(_SEPARATOR.sub(" ", _split_camel_case(label)))


def _split_camel_case(label: str) -> str:
    pairs = zip(" " + label, label, strict=False)
    return "".join(f" {now}" if before.islower() and now.isupper() else now for before, now in pairs)


def tidy(text: str) -> str:
    """Put a text on one line, cut after a word at MAX_CHARACTERS; empty without a letter or digit."""
    line = " ".join(_encodable(text).split())
    if len(line) > MAX_CHARACTERS:
        line = line[: MAX_CHARACTERS + 1].rsplit(" ", 1)[0][:MAX_CHARACTERS]
    return line if has_words(line) else ""


def _encodable(text: str) -> str:
    """Replace half surrogate pairs, which tokenizers refuse."""
    return text.encode("utf-8", "replace").decode("utf-8")


def label_texts(labels: Sequence[str], descriptions: Mapping[str, str] = {}, question: str = "") -> LabelTexts:
    """Make the texts with each label's meaning.

    A label has its own text, and a second text that begins with the question: the mean of the two embeddings tells
    labels apart better than either embedding.

    Args:
        labels: C labels.
        descriptions: by label, a text that replaces the label's name.
        question: the question that annotators answer about a text; may be empty.

    Returns:
        For each of C labels no text, one text or two.
    """
    asked = tidy(question)
    return tuple(_texts(tidy(descriptions.get(label, "")) or label_words(label), asked) for label in labels)


def _texts(own: str, question: str) -> tuple[str, ...]:
    if not own:
        return ()
    return (own, f"{question} {own}") if question else (own,)


def check_described(labels: Sequence[str], descriptions: Mapping[str, str]) -> None:
    """Check that every description belongs to a label that exists.

    Raises:
        LabelDescriptionError: names each description without a label, and the labels that exist.
    """
    unknown = [label for label in descriptions if label not in labels]
    if unknown:
        raise LabelDescriptionError(
            f"label_descriptions describe {_listed(unknown)}, which the labeling config does not have: "
            f"describe its labels, written exactly like this: {_listed(labels[:LABELS_NAMED])}"
            + (f" and {len(labels) - LABELS_NAMED} more" if len(labels) > LABELS_NAMED else "")
        )


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(repr(_shortened(label)) for label in labels)


def _shortened(label: str) -> str:
    return label if len(label) <= _SHOWN_CHARACTERS else f"{label[:_SHOWN_CHARACTERS]}…"


def read_descriptions(file: Path) -> dict[str, str]:
    """Read descriptions by label from a JSON file.

    Raises:
        LabelDescriptionError: the file cannot be read, or is not a JSON object of texts.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise LabelDescriptionError(f"{file} cannot be read ({error.strerror}): {_EXPECTED}") from error
    except (ValueError, RecursionError) as error:
        raise LabelDescriptionError(f"{file} is not JSON ({error}): {_EXPECTED}") from error
    if not isinstance(found, dict):
        raise LabelDescriptionError(f"{file} holds a JSON {type(found).__name__}: {_EXPECTED}")
    for label, text in found.items():
        if not isinstance(text, str):
            raise LabelDescriptionError(f"{file} describes {_shortened(label)!r} by {text!r}, no text: {_EXPECTED}")
    return {_encodable(label): _encodable(text) for label, text in found.items()}


_EXPECTED = 'give a file with a JSON object of labels and texts, like {"refund": "Somebody wants their money back"}'


@dataclass(frozen=True)
class Meaning:
    """The meaning of labels, as the labeling config gives it besides their names.

    Attributes:
        said: description by label, for labels that the config describes.
        question: text of the Header above the control; empty without a Header.
    """

    said: Mapping[str, str] = record_field(default_factory=dict)
    question: str = ""

    def texts(self, labels: Sequence[str], question: str, described: Mapping[str, str]) -> LabelTexts:
        """The words of each label: the project's own, else the labeling config's, else its name; two texts at most.

        Args:
            labels: C labels.
            question: the project's question in words, in place of a missing Header; may be empty.
            described: the project's own descriptions, by label.
        """
        said = {**self.said, **{label: text for label, text in described.items() if has_words(text)}}
        return label_texts(labels, said, self.question or question)
