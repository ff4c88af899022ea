"""/classify: answers to texts from anywhere, by the model version in use for each question."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backend.errors import BusyError, InvalidRequestError
from backend.store.project_folder import ProjectFolder
from backend.web.questions import AskedQuestion, no_model, questions_of
from backend.web.service import Service
from model.export.answers import form_of, plain_answers

# Most texts of a request: a CPU reads so many short texts in seconds.
MOST_TEXTS = 1_000
_EXPECTED = 'send {"texts": ["…", "…"]}'

# The answer of each question, by its name, the first question's first.
Answers = Mapping[str, dict[str, Any]]


def parse_texts(body: Any) -> list[str]:
    """Read the texts of a request.

    Raises:
        InvalidRequestError: the body has another form, or too many texts.
    """
    texts = body.get("texts") if isinstance(body, dict) else None
    if not isinstance(texts, list):
        raise InvalidRequestError(f"the request has no list of texts: {_EXPECTED}")
    if len(texts) > MOST_TEXTS:
        raise InvalidRequestError(f"the request has {len(texts):,} texts: send {MOST_TEXTS:,} at once at most")
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidRequestError(f"entry {place} of the texts is no text: {_EXPECTED}")
    return texts


def answer_texts(service: Service, folder: ProjectFolder, texts: Sequence[str]) -> dict[str, Any]:
    """Answer every question of a project for some texts.

    Args:
        service: the web process's.
        folder: the project's.
        texts: N texts, as they would stand in the project's tasks.

    Returns:
        {"results": […], "models": {question: number of its model version}}; N results as of `joined`.

    Raises:
        NoModelError: no question has a model version yet.
        BusyError: many other texts are being classified, or a model version is still being loaded.
    """
    questions = questions_of(folder)
    with service.classifier.turn(service.settings.threads // 2):
        read = questions.read(texts)
        found = {question.name: _answer(service, question, read) for question in questions.asked}
    models = {name: number for name, (number, _) in found.items()}
    if not any(models.values()):
        raise no_model(folder)
    by_text = zip(*(answers for _, answers in found.values()), strict=True)
    return {"results": [joined(dict(zip(found, answers, strict=True))) for answers in by_text], "models": models}


def joined(answers: Answers) -> dict[str, Any]:
    """Return the first question's answer, with the answers to all questions under "answers" if there are several.

    Args:
        answers: of one text.
    """
    first = next(iter(answers.values()))
    return {**first, "answers": dict(answers)} if len(answers) > 1 else dict(first)


def _answer(service: Service, question: AskedQuestion, read: Sequence[str]) -> tuple[int, list[dict[str, Any]]]:
    """Return the number of the model version and each text's answer; 0 and answers without labels if there is none."""
    found = service.classifier.newest(question.folder, question.is_of)
    if found is None:
        current = question.folder.registry.current()
        if current is not None and question.is_of(current):
            raise BusyError("the model version is still being loaded: send the texts again in a minute")
        return 0, without_model(question, len(read))
    version, classifier = found
    proba_N_C = service.classifier.score(classifier, read, service.threads, is_exact=True)
    return version.number, list(plain_answers(read, proba_N_C, version.label_set.labels, question.form(version)))


def without_model(question: AskedQuestion, texts: int) -> list[dict[str, Any]]:
    """Return answers without labels, for a question that has no model version yet.

    Args:
        question: the question.
        texts: number of texts.
    """
    if question.task is None:
        return [{"label": None, "probability": None} for _ in range(texts)]
    label_set = question.task.label_set
    proba_N_C = np.zeros((texts, len(label_set.labels)))
    form = form_of(label_set, is_ordered=question.task.is_ordered)
    return list(plain_answers([""] * texts, proba_N_C, label_set.labels, form))
