"""The demo's measurements: the shipped learner, trained without Label Studio and measured on held-out texts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from model.encoder.classifier import TextClassifier, new_classifier
from model.encoder.inference import score_texts
from model.learner.evaluation import accuracy
from model.learner.knowledge import MOST_POOL
from model.learner.recipes import TrainingConfig
from model.learner.training import Start, StepProgress, train, train_on_names
from model.links import ONE_OF
from model.tasks.label_names import label_texts
from model.types import Background, FloatArray, LabelSet, Targets, TrainingData

BANKING8 = Path(__file__).with_name("banking8")
_SEED = 0


@dataclass(frozen=True)
class Gold:
    """Texts with their right labels."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]

    def targets(self, label_set: LabelSet, rows: Sequence[int]) -> Targets:
        """The texts of some rows as training targets."""
        one_hot_C_C = np.eye(len(label_set.labels), dtype=np.float32)
        return Targets(
            task_ids=tuple(rows),
            texts=tuple(self.texts[row] for row in rows),
            targets_N_C=one_hot_C_C[[label_set.labels.index(self.labels[row]) for row in rows]],
            label_set=label_set,
        )


def read_gold(name: str) -> Gold:
    """Read `pool` or `heldout` of examples/banking8."""
    lines = (BANKING8 / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return Gold(tuple(row["text"] for row in rows), tuple(row["label"] for row in rows))


class Learner:
    """Trains the shipped learner on no label and on random labels, and measures classifiers on held-out texts."""

    def __init__(self, pool: Gold, heldout: Gold, label_set: LabelSet) -> None:
        self._pool = pool
        self._heldout = heldout.targets(label_set, range(len(heldout.texts)))
        self._label_set = label_set
        self._random_rows = np.random.default_rng(_SEED).permutation(len(pool.texts)).tolist()
        self._background = Background(label_texts(label_set.labels), pool.texts[:MOST_POOL])
        self._config = TrainingConfig()
        self._embeddings: dict[str, FloatArray] = {}

    @property
    def majority(self) -> float:
        """Accuracy on held-out texts if every answer were the commonest label."""
        return ONE_OF.commonest_accuracy(self._heldout.targets_N_C)

    def accuracy_of(self, classifier: TextClassifier) -> float:
        """The accuracy of a classifier on held-out texts."""
        return accuracy(score_texts(classifier, self._heldout.texts).proba_N_C, self._heldout.targets_N_C)

    def accuracy_on_names(self) -> float | None:
        """Accuracy with label names and unlabelled texts alone; None if no label name helps."""
        named = train_on_names(self._pool.targets(self._label_set, []), self._start, self._background)
        return None if named is None else self.accuracy_of(named.classifier)

    def accuracy_on_random(self, labels: int, on_step: StepProgress) -> float:
        """Accuracy with randomly drawn labels; a larger draw begins with the smaller one."""
        targets = self._pool.targets(self._label_set, self._random_rows[:labels])
        trained = train(TrainingData(targets, background=self._background), self._config, self._start, on_step)
        return self.accuracy_of(trained.classifier)

    @cached_property
    def _start(self) -> Start:
        """The untrained classifier that every training begins from; it is loaded once."""
        return Start(new_classifier(self._config.encoder, self._label_set), self._embed)

    def _embed(self, texts: Sequence[str]) -> FloatArray:
        """Embeddings of texts by the untrained encoder; each text is embedded once."""
        classifier = self._start.classifier
        missing = [text for text in dict.fromkeys(texts) if text not in self._embeddings]
        self._embeddings.update(zip(missing, classifier.encoder.embed(missing), strict=True))
        rows = [self._embeddings[text] for text in texts]
        return np.stack(rows) if rows else np.zeros((0, classifier.encoder.dimensions), dtype=np.float32)
