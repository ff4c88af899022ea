"""The annotators of a question, and their agreement."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from model.figures.annotators import People, agreement_of
from model.tasks.task import Task
from model.tasks.votes import counting
from model.types import AnnotatedText

# Most annotators that are kept for a question: those with most texts.
MOST_PEOPLE = 100


def people_of(task: Task, annotated: Iterable[AnnotatedText]) -> People:
    """Compare the annotators of a question.

    Args:
        task: the question.
        annotated: texts with annotations; each annotator's latest counts, ground truth alone where there is any.
    """
    by_person: dict[str, list[AnnotatedText]] = defaultdict(list)
    for text in annotated:
        for annotation in counting(text.annotations):
            by_person[annotation.annotator].append(replace(text, annotations=(annotation,)))
    answers = {name: task.targets(texts).targets for name, texts in by_person.items()}
    people = agreement_of({name: targets for name, targets in answers.items() if len(targets)}, task.is_ordered)
    return replace(people, annotators=people.annotators[:MOST_PEOPLE])
