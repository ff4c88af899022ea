"""Turn annotations of one or several people into training targets."""

from collections.abc import Iterable, Sequence

import numpy as np

from model.errors import UnknownLabelError
from model.tasks.votes import counting
from model.types import AnnotatedText, Annotation, FloatArray, LabelSet, Targets


def build_targets(annotated: Iterable[AnnotatedText], label_set: LabelSet, control: str) -> Targets:
    """Turn annotations into a matrix of shares.

    Where a text has ground truth, ground truth counts alone; otherwise every annotator has one vote, their latest
    annotation. Skipped annotations and texts without a vote are left out.

    Args:
        annotated: texts with their annotations.
        label_set: the classes of axis C.
        control: name of the Choices tag.

    Returns:
        Targets in order of task id.

    Raises:
        UnknownLabelError: a label is not in `label_set`; the message names the task.
    """
    rows = [(text, _shares(text, label_set, control)) for text in sorted(annotated, key=lambda text: text.task_id)]
    labelled = [(text, shares_C) for text, shares_C in rows if shares_C is not None]
    targets_N_C = np.stack([shares_C for _, shares_C in labelled]) if labelled else np.zeros((0, len(label_set.labels)))
    return Targets(
        task_ids=tuple(text.task_id for text, _ in labelled),
        texts=tuple(text.text for text, _ in labelled),
        targets_N_C=targets_N_C.astype(np.float32),
        label_set=label_set,
    )


def _shares(text: AnnotatedText, label_set: LabelSet, control: str) -> FloatArray | None:
    """Average the votes on one text: shares_C, or None without a vote."""
    chosen = [chosen_labels(annotation, control) for annotation in counting(text.annotations)]
    votes = [_vote(text.task_id, labels, label_set) for labels in chosen]
    cast = [vote_C for vote_C in votes if vote_C is not None]
    return np.mean(cast, axis=0) if cast else None


def chosen_labels(annotation: Annotation, control: str) -> tuple[str, ...]:
    """The labels that an annotation chooses with a control, each once, in the given order."""
    items = (item for item in annotation.result if item.kind == "choices" and item.control == control)
    return tuple(dict.fromkeys(str(label) for item in items for label in item.value.get("choices", [])))


def _vote(task_id: int, labels: Sequence[str], label_set: LabelSet) -> FloatArray | None:
    """One annotator's vote_C; with one choice a vote sums to 1, and an annotation without a label is no vote."""
    vote_C = np.zeros(len(label_set.labels))
    for label in labels:
        if label not in label_set.labels:
            raise UnknownLabelError(
                f"task {task_id} is labelled {label!r}, which the labeling config does not have "
                f"({', '.join(label_set.labels)}): add the label to the config or correct the annotation"
            )
        vote_C[label_set.labels.index(label)] = 1.0
    if label_set.is_multilabel:
        return vote_C
    return vote_C / vote_C.sum() if vote_C.any() else None
