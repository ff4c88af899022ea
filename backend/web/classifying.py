"""Answers of the classifier itself, to texts that no publication holds."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager, suppress
from functools import partial
from threading import Lock

import torch

from backend.errors import BusyError
from backend.store.project_folder import ProjectFolder
from backend.work.classifiers import Classifiers
from backend.work.sources import Source
from model.encoder.classifier import TextClassifier
from model.encoder.inference import embed_pool, head_proba
from model.errors import DamagedVersionError
from model.learner.model_version import ModelVersion
from model.learner.registry import KEPT_VERSIONS
from model.tasks.task import Task
from model.types import FloatArray

# Label Studio gives /predict 100 s.
LOAD_TIMEOUT_S = 60.0
# Most classifiers in the memory of a web process. Many processes load none: only unpublished texts need one.
KEPT_CLASSIFIERS = 2


class WebClassifier:
    """Scores texts in a web process, and keeps the classifiers that were used last."""

    def __init__(self) -> None:
        self._classifiers = Classifiers(KEPT_CLASSIFIERS)
        self._loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="load-classifier")
        self._scoring = Lock()
        self._counting = Lock()
        self._turns = 0

    def current(self, folder: ProjectFolder, question: Task) -> TextClassifier | None:
        """Return the current classifier of a question; None if there is none, or if loading takes too long.

        Args:
            folder: the question's.
            question: as the labeling config asks it now.

        Raises:
            VersionError: an undamaged version cannot be loaded.
        """
        found = self.newest(folder, lambda version: _answers(version, question))
        return found[1] if found is not None else None

    def newest(
        self, folder: ProjectFolder, is_meant: Callable[[ModelVersion], bool]
    ) -> tuple[ModelVersion, TextClassifier] | None:
        """Return the current version and its classifier; None if there is none, or if loading takes too long.

        Args:
            folder: the question's.
            is_meant: tells whether a version may answer; if the current version may not, no other does.

        Raises:
            VersionError: an undamaged version cannot be loaded.
        """
        for _ in range(KEPT_VERSIONS + 1):
            version = folder.registry.current()
            if version is None or not is_meant(version):
                return None
            # A damaged version is set aside; then the one before it is current.
            with suppress(DamagedVersionError):
                classifier = self._load(folder, Source(version.encoder, version.number))
                return None if classifier is None else (version, classifier)
        return None

    @contextmanager
    def turn(self, most: int) -> Iterator[None]:
        """Count a request that scores many texts, so that such requests leave some of the server's threads to others.

        Args:
            most: how many such requests may wait or be scored at the same time; at least one may.

        Raises:
            BusyError: `most` other requests wait or are scored.
        """
        with self._counting:
            if self._turns >= max(1, most):
                raise BusyError("other texts are being classified: send these again in a moment")
            self._turns += 1
        try:
            yield
        finally:
            with self._counting:
                self._turns -= 1

    def _load(self, folder: ProjectFolder, source: Source) -> TextClassifier | None:
        if (classifier := self._classifiers.find(folder, source)) is not None:
            return classifier
        try:
            return self._loader.submit(self._classifiers.get, folder, source).result(timeout=LOAD_TIMEOUT_S)
        except FutureTimeoutError:
            return None

    def score(
        self, classifier: TextClassifier, texts: Sequence[str], threads: Callable[[], int], *, is_exact: bool = False
    ) -> FloatArray:
        """Return class probabilities, proba_N_C; requests take turns, since side by side they would share the cores.

        Args:
            classifier: the project's.
            texts: N texts.
            threads: returns the number of threads to take; called again and again, since a round may begin.
            is_exact: compute in fp32 also where bf16 is faster; probabilities then equal an exported model's.
        """
        with self._scoring:
            torch.set_num_threads(threads())
            embed = classifier.encoder.embed if is_exact else partial(embed_pool, classifier)
            embeddings_N_D = embed(texts, lambda *_: torch.set_num_threads(threads()))
            return head_proba(classifier, classifier.head, embeddings_N_D)


def _answers(version: ModelVersion, question: Task) -> bool:
    """Whether a version answers a question as the labeling config asks it now."""
    asked = question.with_labels(version.label_set)
    return asked is not None and version.fits(question.control, asked.label_set)
