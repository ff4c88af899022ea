"""Texts that no publication holds, answered by the classifier itself."""

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
# Most web processes never load any: only texts that no publication holds need one.
KEPT_CLASSIFIERS = 2


class WebClassifier:
    """Scores texts in a web process, with the classifiers of the projects that were asked for last."""

    def __init__(self) -> None:
        self._classifiers = Classifiers(KEPT_CLASSIFIERS)
        self._loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="load-classifier")
        self._scoring = Lock()
        self._counting = Lock()
        self._turns = 0

    def current(self, folder: ProjectFolder, question: Task) -> TextClassifier | None:
        """The current classifier of a question; None while it has none, or while it takes too long to load.

        Args:
            folder: the question's.
            question: as the labeling config asks it now.

        Raises:
            VersionError: the version is whole and cannot be loaded all the same.
        """
        found = self.newest(folder, lambda version: _answers(version, question))
        return found[1] if found is not None else None

    def newest(
        self, folder: ProjectFolder, is_meant: Callable[[ModelVersion], bool]
    ) -> tuple[ModelVersion, TextClassifier] | None:
        """The current version and its classifier; None while there is none, or while it takes too long to load.

        Args:
            folder: the question's.
            is_meant: whether a version may answer; if the current one may not, none does.

        Raises:
            VersionError: the version is whole and cannot be loaded all the same.
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
        """A turn to score many texts, so that requests that wait for cores leave threads of the server to others.

        Args:
            most: how many requests may wait or be scored at the same time; at least one may.

        Raises:
            BusyError: so many others do.
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
        """Class probabilities, proba_N_C; one request at a time, for they would only fight for the cores.

        Args:
            classifier: the project's.
            texts: N texts.
            threads: how many threads to take; asked again all the while, for a round may begin.
            is_exact: compute in fp32 where less is faster, too; probabilities are then an exported model's.
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
