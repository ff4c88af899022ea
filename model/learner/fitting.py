"""One training by a plan: choose the examples, then do the plan's parts in order. `training` calls it once per fold."""

import copy
import math
from dataclasses import dataclass, replace

import numpy as np

from model.encoder.classifier import TextClassifier
from model.encoder.encoder import Encoder
from model.encoder.stages import Steps
from model.learner.knowledge import Embed, Knowledge, Teacher, know, space_of
from model.learner.prototypes import NO_TRUST, Trust, surest
from model.learner.recipes import ENOUGH_LABELS, LinearFit, Plan, TrainingConfig, count_steps
from model.types import FloatArray, IntArray, LabelledEmbeddings, Targets, TrainingData


@dataclass(frozen=True)
class Material:
    """Training data and its embeddings by the untrained encoder; all folds share them.

    Attributes:
        data: the texts and label names.
        weak: the weak texts of `data`; empty where there are none.
        classifier: the pretrained encoder with a head to start from; every training copies it.
        targets_N_D: embeddings of the texts that people labelled.
        weak_M_D: embeddings of the weak texts.
        knowledge: label names and pool.
    """

    data: TrainingData
    weak: Targets
    classifier: TextClassifier
    targets_N_D: FloatArray
    weak_M_D: FloatArray
    knowledge: Knowledge


def read_material(data: TrainingData, classifier: TextClassifier, embed: Embed) -> Material:
    """Embed all texts and label names of the data by the untrained encoder, each text once.

    Args:
        data: the texts and label names.
        classifier: the pretrained encoder with a head to start from.
        embed: the same encoder as a function: texts → embeddings_N_D.
    """
    targets, background = data.targets, data.background
    weak = data.weak if data.weak is not None else targets.some(np.zeros(0, dtype=int))
    both_M_D = embed([*targets.texts, *weak.texts])
    knowledge = know(background.label_texts, targets.label_set, embed(background.pool), embed)
    return Material(data, weak, classifier, both_M_D[: len(targets)], both_M_D[len(targets) :], knowledge)


@dataclass(frozen=True)
class Fitted:
    """A classifier after one training by a plan.

    Attributes:
        classifier: its temperature is not set yet.
        loss: of the last batch of fine-tuning; NaN without fine-tuning.
        trust: how far label names and pool counted.
    """

    classifier: TextClassifier
    loss: float
    trust: Trust


@dataclass(frozen=True)
class _Examples:
    """The texts of one fine-tuning: labelled texts first, then label names, then pool texts.

    Attributes:
        targets: N texts with shares.
        weights_N: how often each text comes, relative to the others.
        labelled: number of labelled texts.
        names: number of label names.
    """

    targets: Targets
    weights_N: FloatArray
    labelled: int
    names: int


@dataclass(frozen=True)
class Fitter:
    """Trains classifiers from the same start by different plans and on different rows of the targets.

    Attributes:
        material: texts, label names, and their embeddings by the untrained encoder.
        config: the recipe's numbers.
        steps: counts the fine-tuning steps of all trainings together.
    """

    material: Material
    config: TrainingConfig
    steps: Steps

    def fit(self, rows_M: IntArray, plan: Plan, *, with_weak: bool) -> Fitted:
        """Train a copy of the start by a plan, on M rows of the targets.

        Prototypes in the untrained encoder's space teach first: they choose the pool texts that become examples, and
        whether label names do. After fine-tuning, prototypes are computed again in the tuned encoder's space.

        Args:
            rows_M: rows of the targets.
            plan: fine-tuning stages and linear fits, in order.
            with_weak: whether weak texts teach too.
        """
        start = self.material.classifier
        encoder, head = start.encoder, copy.deepcopy(start.head)
        labelled, embedded = self._labelled(rows_M, with_weak=with_weak)
        teacher = self.material.knowledge.teach(embedded)
        examples = self._examples(labelled, embedded, teacher) if count_steps(plan) else None
        loss = math.nan
        for part in plan:
            if isinstance(part, LinearFit):
                if examples is not None and not math.isnan(loss):
                    teacher, embedded = self._teach_again(encoder, examples, embedded, teacher.trust)
                teacher.fit(head, embedded)
            elif examples is not None:
                tuned = encoder.fine_tune(head, examples.targets, part, self.steps, examples.weights_N)
                encoder, head, loss = tuned.encoder, tuned.head, tuned.loss
        return Fitted(TextClassifier(encoder, head, start.config), loss, teacher.trust)

    def _labelled(self, rows_M: IntArray, *, with_weak: bool) -> tuple[Targets, LabelledEmbeddings]:
        """M rows of the targets, and weak texts if they teach: as texts, and as the untrained encoder embeds them."""
        material = self.material
        weak_rows = np.arange(len(material.weak) if with_weak else 0)
        labelled = material.data.targets.some(rows_M).and_also(material.weak.some(weak_rows))
        weights_L = np.ones(len(labelled), dtype=np.float32)
        weights_L[len(rows_M) :] = material.data.weak_weight
        embeddings_L_D = np.concatenate([material.targets_N_D[rows_M], material.weak_M_D[weak_rows]])
        return labelled, LabelledEmbeddings(embeddings_L_D, labelled.targets_N_C, weights_L)

    def _examples(self, labelled: Targets, embedded: LabelledEmbeddings, teacher: Teacher) -> _Examples:
        """Labelled texts, label names if they are trusted, and the pool texts that the teacher is surest of."""
        has_names, config = teacher.trust.names, self.config
        nothing = labelled.some(np.zeros(0, dtype=int))
        names = self._names_as_texts() if has_names else nothing
        has_enough = len(labelled) >= ENOUGH_LABELS * len(labelled.label_set.labels)
        # Without names, the pool's classes are the labelled texts' own guess: once there are enough, they teach better.
        pool = nothing if has_enough and not has_names else self._pool_examples(labelled, teacher)
        pool_weight = config.pool_weight if has_names else config.pool_weight_without_names
        weights_L = np.ones(len(labelled)) if embedded.weights_L is None else embedded.weights_L
        weights_N = np.concatenate([weights_L, np.ones(len(names)), np.full(len(pool), pool_weight)])
        targets = labelled.and_also(names).and_also(pool)
        return _Examples(targets, weights_N.astype(np.float32), len(labelled), len(names))

    def _names_as_texts(self) -> Targets:
        """Each label's name, where it has one, as a text with that label."""
        label_set, label_texts = self.material.data.targets.label_set, self.material.data.background.label_texts
        named_K = np.array([row for row, texts in enumerate(label_texts) if texts], dtype=np.int64)
        one_hot_C_C = np.eye(len(label_set.labels), dtype=np.float32)
        return Targets(
            (0,) * len(named_K), tuple(label_texts[row][0] for row in named_K), one_hot_C_C[named_K], label_set
        )

    def _pool_examples(self, labelled: Targets, teacher: Teacher) -> Targets:
        """The surest pool texts with the teacher's probabilities as shares; each different text at most once."""
        pool = self.material.data.background.pool
        proba_M_C = teacher.proba(self.material.knowledge.pool_M_D)
        labelled_texts = set(labelled.texts)
        first_rows = {text: row for row, text in reversed(list(enumerate(pool))) if text.strip()}
        is_new_M = np.zeros(len(proba_M_C), dtype=bool)
        is_new_M[[row for text, row in first_rows.items() if text not in labelled_texts]] = True
        proba_M_C[~is_new_M] = 0.0
        rows_S = surest(proba_M_C, self.config.pool_texts)
        return Targets((0,) * len(rows_S), tuple(pool[row] for row in rows_S), proba_M_C[rows_S], labelled.label_set)

    def _teach_again(
        self, encoder: Encoder, examples: _Examples, embedded: LabelledEmbeddings, trust: Trust
    ) -> tuple[Teacher, LabelledEmbeddings]:
        """Compute prototypes of names and labelled texts by the tuned encoder, and embed the labelled texts by it.

        The pool is left out: it taught the encoder already, and taught nothing more when it counted again
        (docs/the-learner.md).
        """
        embeddings_N_D = encoder.embed(examples.targets.texts)
        targets_N_C, weights_N = examples.targets.targets_N_C, examples.weights_N
        # Label names count as labelled texts here, so that the knowledge must not count them again.
        end = examples.labelled + examples.names
        names_and_labelled = LabelledEmbeddings(embeddings_N_D[:end], targets_N_C[:end], weights_N[:end])
        knowledge = self.material.knowledge
        without = replace(
            knowledge, has_reading_R_C=np.zeros_like(knowledge.has_reading_R_C), pool_M_D=embeddings_N_D[:0]
        )
        teacher = without.teach(names_and_labelled, trust=NO_TRUST, space=space_of(embeddings_N_D, weights_N))
        return replace(teacher, trust=trust), replace(embedded, embeddings_L_D=embeddings_N_D[: examples.labelled])
