"""Classifiers in a web process's memory, loaded in the background and kept between requests."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from threading import Lock

import torch

from backend.store.project_folder import ProjectFolder
from model.encoder.bert import TextClassifier
from model.encoder.inference import embed_pool, head_proba
from model.types import FloatArray

# Label Studio gives /predict 100 s.
LOAD_TIMEOUT_S = 60.0
KEPT_MODELS = 2


class LoadedModels:
    """The current classifiers of the projects that were asked for last.

    Only texts that no publication has scored need one, so most web processes never load any.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="load-model")
        self._lock = Lock()
        self._scoring = Lock()
        self._loading: dict[tuple[int, int], Future[TextClassifier]] = {}

    def current(self, folder: ProjectFolder) -> TextClassifier | None:
        """The project's current classifier; None while it has none, or while it takes too long to load."""
        version = folder.registry.current()
        if version is None:
            return None
        key = (folder.project_id, version.number)
        with self._lock:
            if key not in self._loading or _has_failed(self._loading[key]):
                self._loading[key] = self._pool.submit(_load, folder, version.number)
            for old in list(self._loading)[:-KEPT_MODELS]:
                del self._loading[old]
            loading = self._loading[key]
        try:
            return loading.result(timeout=LOAD_TIMEOUT_S)
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


def _has_failed(loading: "Future[TextClassifier]") -> bool:
    """Whatever went wrong with a load, the next request tries again."""
    return loading.done() and loading.exception() is not None


def _load(folder: ProjectFolder, number: int) -> TextClassifier:
    return folder.registry.find(number).load()
