"""Which annotations of a text count as votes, whatever the question is."""

from collections.abc import Sequence

from model.types import Annotation


def counting(annotations: Sequence[Annotation]) -> list[Annotation]:
    """The annotations that count: ground truth if there is any, else each annotator's latest; skipped ones never do."""
    given = [annotation for annotation in annotations if not annotation.is_skipped]
    truth = [annotation for annotation in given if annotation.is_ground_truth]
    latest = {annotation.annotator: annotation for annotation in sorted(truth or given, key=lambda a: a.updated_at)}
    return list(latest.values())
