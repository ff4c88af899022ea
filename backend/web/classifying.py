"""Texts that no publication holds, answered by the classifier itself."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from threading import Lock

import torch

from backend.store.project_folder import ProjectFolder
from backend.work.classifiers import Classifiers
from backend.work.sources import Source
from model.encoder.classifier import TextClassifier
from model.encoder.inference import embed_pool, head_proba
from model.errors import DamagedVersionError
from model.learner.registry import KEPT_VERSIONS
from model.tasks.task import Task
from model.types import FloatArray

# Label Studio gives /predict 100 s.
LOAD_TIMEOUT_S = 60.0
# Most web processes never load any: only texts that no publication holds need one.
KEPT_CLASSIFIERS = 2


class WebClassifier:
    """Scores texts in a web process, with the classifiers of the projects that were asked for last."""

    def __init__(self) -> None:
        self._classifiers = Classifiers(KEPT_CLASSIFIERS)
        self._loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="load-classifier")
        self._scoring = Lock()

    def current(self, folder: ProjectFolder, question: Task) -> TextClassifier | None:
        """The current classifier of a question; None while it has none, or while it takes too long to load.

        Args:
            folder: the question's.
            question: as the labeling config asks it now.

        Raises:
            VersionError: the version is whole and cannot be loaded all the same.
        """
        for _ in range(KEPT_VERSIONS + 1):
            version = folder.registry.current()
            if version is None or (asked := question.with_labels(version.label_set)) is None:
                return None
            if not version.fits(question.control, asked.label_set):
                return None
            # A damaged version is set aside; then the one before it is current.
            with suppress(DamagedVersionError):
                return self._load(folder, Source(version.encoder, version.number))
        return None

    def _load(self, folder: ProjectFolder, source: Source) -> TextClassifier | None:
        if (classifier := self._classifiers.find(folder, source)) is not None:
            return classifier
        try:
            return self._loader.submit(self._classifiers.get, folder, source).result(timeout=LOAD_TIMEOUT_S)
        except FutureTimeoutError:
            return None

    def score(self, classifier: TextClassifier, texts: Sequence[str], threads: Callable[[], int]) -> FloatArray:
        """Class probabilities, proba_N_C; one request at a time, for they would only fight for the cores.

        Args:
            classifier: the project's.
            texts: N texts.
            threads: how many threads to take; asked again all the while, for a round may begin.
        """
        with self._scoring:
            torch.set_num_threads(threads())
            embeddings_N_D = embed_pool(classifier, texts, lambda *_: torch.set_num_threads(threads()))
            return head_proba(classifier, classifier.head, embeddings_N_D)
