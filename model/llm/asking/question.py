"""Describe a question of a project in a prompt: its words, labels, labelled texts, and how many to choose of each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from model.links import link_of
from model.llm.asking.framing import quoted, shorten
from model.types import LabelSet

TITLE_TOKENS, DESCRIPTION_TOKENS, EXAMPLE_TOKENS = 40, 300, 40
NAME_TOKENS, ASKED_TOKENS = 20, 80
EXAMPLES, EXAMPLES_PER_LABEL = 8, 2


@dataclass(frozen=True)
class Question:
    """The question that the annotators of a project answer.

    Attributes:
        title: the project's name; may be empty.
        description: the project's description, or its instructions for annotators; may be empty.
        label_set: the labels, spelled as in annotations; without labels they are unknown.
        name: name of the question's control, where the project has several questions; else empty.
        asks: what annotators are asked, in the labeling config's words; may be empty.
        label_note: a sentence on what kind of labels these are; empty for plain names.
        also: names of the other questions that the chosen texts are for.
    """

    title: str
    description: str
    label_set: LabelSet
    name: str = ""
    asks: str = ""
    label_note: str = ""
    also: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels; empty: unknown."""
        return self.label_set.labels


def describe_project(question: Question) -> str:
    """Title and description, a sentence where the project has neither; and what annotators are asked."""
    title, description = shorten(question.title, TITLE_TOKENS), shorten(question.description, DESCRIPTION_TOKENS)
    told = [f"Project: {quoted(title)}"] * bool(title) + [f"Description: {quoted(description)}"] * bool(description)
    unknown = "The project has neither title nor description: find out from labels and texts."
    return "\n".join((*(told or [unknown]), *_describe_asked(question)))


def _describe_asked(question: Question) -> list[str]:
    """The question's name and words, what its labels are, and the other questions; no line for what is empty."""
    asked = (shorten(question.name, NAME_TOKENS), shorten(question.asks, ASKED_TOKENS))
    words = ": ".join(quoted(part) for part in asked if part)
    also = ", ".join(quoted(shorten(name, NAME_TOKENS)) for name in question.also)
    return [
        *[f"Question that annotators answer: {words}"] * bool(words),
        *[question.label_note] * bool(question.label_note),
        *[f"Other questions that they answer about each text: {also}"] * bool(also),
    ]


def describe_labels(question: Question) -> str:
    """The labels, and how many of them a text gets."""
    if not question.labels:
        return "The labels are not known: find out from the texts what may be told apart.\n"
    number = link_of(question.label_set).number
    return f"A text gets {number} of these {len(question.labels)} labels: {', '.join(map(quoted, question.labels))}\n"


def describe_labelled(question: Question, labelled: Sequence[tuple[str, str]]) -> str:
    """Counts and a few examples of labelled texts; empty without labelled texts."""
    if not labelled:
        return ""
    counts = Counter(label for _, label in labelled)
    counted = ", ".join(f"{quoted(label)} {counts[label]}" for label in dict.fromkeys((*question.labels, *counts)))
    lines = [
        f"{quoted(shorten(text, EXAMPLE_TOKENS))} is {quoted(label)}" for text, label in _first_of_each_label(labelled)
    ]
    return "\n".join(("", f"Texts labeled so far: {counted}. For example:", *lines, ""))


def _first_of_each_label(labelled: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The first text of every label, then the second texts."""
    seen: Counter[str] = Counter()
    turns: list[tuple[int, str, str]] = []
    for text, label in labelled:
        turns.append((seen[label], text, label))
        seen[label] += 1
    by_turn = sorted((turn for turn in turns if turn[0] < EXAMPLES_PER_LABEL), key=lambda turn: turn[0])
    return [(text, label) for _, text, label in by_turn[:EXAMPLES]]


def describe_balance(question: Question, select: int, *, has_labelled: bool) -> str:
    """The request for about equally many texts of each label."""
    n_labels = len(question.labels)
    if not n_labels:
        return "Choose about equally many of each kind that a classifier may have to tell apart."
    if n_labels > select:
        return "Choose texts of as many different labels as you can."
    sentence = f"Choose about equally many of each label, about {max(1, round(select / n_labels))} of each."
    return f"{sentence} Labels that few labeled texts have so far may get more." if has_labelled else sentence
