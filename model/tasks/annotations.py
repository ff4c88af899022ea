"""Turn annotations of one or several people into training targets."""

from collections.abc import Iterable, Sequence

import numpy as np

from model.errors import UnknownLabelError
from model.types import AnnotatedText, Annotation, FloatArray, LabelSet, Targets


def build_targets(annotated: Iterable[AnnotatedText], label_set: LabelSet) -> Targets:
    """Turn annotations into a matrix of shares.

    Where a text has ground truth, ground truth counts alone; otherwise every annotator has one vote, their latest
    annotation. Skipped annotations and texts without a vote are left out.

    Args:
        annotated: texts with their annotations.
        label_set: the classes of axis C.

    Returns:
        Targets in order of task id.

    Raises:
        UnknownLabelError: a label is not in `label_set`; the message names the task.
    """
    rows = [(text, _shares(text, label_set)) for text in sorted(annotated, key=lambda text: text.task_id)]
    labelled = [(text, shares_C) for text, shares_C in rows if shares_C is not None]
    targets_N_C = np.stack([shares_C for _, shares_C in labelled]) if labelled else np.zeros((0, len(label_set.labels)))
    return Targets(
        task_ids=tuple(text.task_id for text, _ in labelled),
        texts=tuple(text.text for text, _ in labelled),
        targets_N_C=targets_N_C.astype(np.float32),
        label_set=label_set,
    )


def _shares(text: AnnotatedText, label_set: LabelSet) -> FloatArray | None:
    """Average the votes on one text: shares_C, or None without a vote."""
    votes = [_vote(text.task_id, annotation, label_set) for annotation in _counting(text.annotations)]
    cast = [vote_C for vote_C in votes if vote_C is not None]
    return np.mean(cast, axis=0) if cast else None


def _counting(annotations: Sequence[Annotation]) -> list[Annotation]:
    """The annotations that count: ground truth if there is any, else each annotator's latest."""
    given = [annotation for annotation in annotations if not annotation.is_skipped]
    truth = [annotation for annotation in given if annotation.is_ground_truth]
    latest = {annotation.annotator: annotation for annotation in sorted(truth or given, key=lambda a: a.updated_at)}
    return list(latest.values())


def _vote(task_id: int, annotation: Annotation, label_set: LabelSet) -> FloatArray | None:
    """One annotator's vote_C; with one choice a vote sums to 1, and an annotation without a label is no vote."""
    vote_C = np.zeros(len(label_set.labels))
    for label in annotation.labels:
        if label not in label_set.labels:
            raise UnknownLabelError(
                f"task {task_id} is labelled {label!r}, which the labeling config does not have "
                f"({', '.join(label_set.labels)}): add the label to the config or correct the annotation"
            )
        vote_C[label_set.labels.index(label)] = 1.0
    if label_set.is_multilabel:
        return vote_C
    return vote_C / vote_C.sum() if vote_C.any() else None
