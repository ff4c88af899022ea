"""The answers to a Choices control as Label Studio's result items."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from model.types import FloatArray, LabelSet


class ChoicesWriter:
    """Writes result items of one Choices tag over one text."""

    def __init__(self, control: str, to_name: str, label_set: LabelSet) -> None:
        """Prepare to write.

        Args:
            control: name of the Choices tag.
            to_name: name of the text object that the Choices tag refers to.
            label_set: the labels, and whether a text may have several.
        """
        self._control = control
        self._to_name = to_name
        self._label_set = label_set

    def results(self, proba_N_C: FloatArray) -> Iterator[str]:
        """Yield the result items of N texts as JSON: `prediction_result`, but a million texts take a second.

        Args:
            proba_N_C: class probabilities, in [0, 1].
        """
        if self._label_set.is_multilabel:
            yield from (json.dumps(self.prediction_result(proba_C)) for proba_C in proba_N_C)
            return
        # Result items with the same label differ only in the score, which is the last entry of the only item.
        before_score = [json.dumps(self.label_result([label]))[:-2] for label in self._label_set.labels]
        for chosen, score in zip(proba_N_C.argmax(axis=1).tolist(), proba_N_C.max(axis=1).tolist(), strict=True):
            yield f'{before_score[chosen]}, "score": {round(score, 6)}}}]'

    def prediction_result(self, proba_C: Sequence[float]) -> list[dict[str, Any]]:
        """Build Label Studio's result items for one text.

        An item's score is the smallest probability among the chosen labels; the prediction's score is the place in the
        order.

        Args:
            proba_C: class probabilities, in [0, 1].

        Returns:
            The likeliest label; with several labels for a text, all labels with a probability of at least 0.5.
        """
        labels = self._label_set.labels
        if self._label_set.is_multilabel:
            chosen = [index for index, probability in enumerate(proba_C) if probability >= 0.5]
        else:
            chosen = [max(range(len(labels)), key=lambda index: proba_C[index])]
        score = round(float(min((proba_C[index] for index in chosen), default=0.0)), 6)
        return [{**item, "score": score} for item in self.label_result([labels[index] for index in chosen])]

    def label_result(self, labels: Sequence[str]) -> list[dict[str, Any]]:
        """Build Label Studio's result items for a text's labels, without a score."""
        if not labels:
            return []
        return [
            {
                "from_name": self._control,
                "to_name": self._to_name,
                "type": "choices",
                "value": {"choices": list(labels)},
            }
        ]
