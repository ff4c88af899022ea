"""The cache of classifiers: a process keeps the classifiers that it used last in memory."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Lock

from backend.store.project_folder import ProjectFolder
from backend.work.sources import Source
from model.encoder.classifier import TextClassifier, load_classifier, new_classifier, with_new_head
from model.types import LabelSet

# An untrained encoder needs a label set to load; nobody uses its head.
_NO_LABELS = LabelSet(("none",), is_multilabel=False)
Key = tuple[object, ...]


class Classifiers:
    """Classifiers in memory. At the limit, the least recently used one is dropped before another is loaded."""

    def __init__(self, limit: int) -> None:
        """Start with an empty cache.

        Args:
            limit: most classifiers in memory at the same time; at least 1.
        """
        self._limit = limit
        self._loaded: OrderedDict[Key, TextClassifier] = OrderedDict()
        self._lock = Lock()
        self._load_lock = Lock()

    def get(self, folder: ProjectFolder, source: Source) -> TextClassifier:
        """Return a classifier; load it if it is not in memory. Callers must not change it.

        Args:
            folder: the project's folder.
            source: the model version or the untrained encoder.

        Raises:
            VersionError: the model version is missing or damaged.
            EncoderError: the encoder is missing.
        """
        return self._get(_key(folder, source), partial(_read, folder, source))

    def get_saved(self, folder: Path) -> TextClassifier:
        """Return a classifier that `save_classifier` wrote; load it if it is not in memory. Callers must not change it.

        Args:
            folder: the classifier's folder, whose files never change.
        """
        return self._get((folder,), partial(load_classifier, folder))

    def find(self, folder: ProjectFolder, source: Source) -> TextClassifier | None:
        """Return a classifier if it is in memory, else None; never load one."""
        return self._find(_key(folder, source))

    def _get(self, key: Key, read: Callable[[], TextClassifier]) -> TextClassifier:
        if (classifier := self._find(key)) is not None:
            return classifier
        with self._load_lock:
            # Another thread may have loaded the classifier while this thread waited for the lock.
            if (classifier := self._find(key)) is None:
                classifier = self._load(key, read)
            return classifier

    def _find(self, key: Key) -> TextClassifier | None:
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
            return self._loaded.get(key)

    def _load(self, key: Key, read: Callable[[], TextClassifier]) -> TextClassifier:
        with self._lock:
            while len(self._loaded) >= self._limit:
                self._loaded.popitem(last=False)
        classifier = read()
        with self._lock:
            self._loaded[key] = classifier
        return classifier


def with_labels(classifier: TextClassifier, label_set: LabelSet) -> TextClassifier:
    """Return a classifier that shares the encoder and has a new head for other labels."""
    return with_new_head(classifier.encoder, label_set)


def _key(folder: ProjectFolder, source: Source) -> Key:
    if not source.version:
        return (source.encoder,)
    # After Label Studio's database is recreated, another project may get the same id and version numbers.
    made_at_ns = (folder.registry.find(source.version).folder / "manifest.json").stat().st_mtime_ns
    return (folder.path, source.version, made_at_ns)


def _read(folder: ProjectFolder, source: Source) -> TextClassifier:
    if source.version:
        return folder.registry.find(source.version).load()
    untrained = new_classifier(source.encoder, _NO_LABELS)
    # A random head would give the same encoder another digest in every process.
    untrained.head.requires_grad_(requires_grad=False).weight.zero_()
    untrained.head.bias.zero_()
    return untrained
