"""The one cache of classifiers: those that a process used last, at most so many."""

from collections import OrderedDict
from dataclasses import replace
from threading import Lock

from backend.store.project_folder import ProjectFolder
from backend.work.sources import Source
from model.encoder.bert import TextClassifier, new_classifier
from model.types import LabelSet

# An encoder before any training has no labels, and its head is not used.
_NO_LABELS = LabelSet(("none",), is_multilabel=False)
Key = tuple[object, ...]


class Classifiers:
    """Classifiers in memory. When there are `limit`, the one used longest ago goes before another is loaded."""

    def __init__(self, limit: int) -> None:
        """Begin with none.

        Args:
            limit: how many may be in memory at once; at least 1.
        """
        self._limit = limit
        self._loaded: OrderedDict[Key, TextClassifier] = OrderedDict()
        self._lock = Lock()
        self._load_lock = Lock()

    def get(self, folder: ProjectFolder, source: Source) -> TextClassifier:
        """A project's model version, or an encoder before any training; in evaluation mode, not to be changed.

        Args:
            folder: the project's.
            source: which classifier.

        Raises:
            VersionError: there is no such version, or it is damaged.
            EncoderError: there is no such encoder.
        """
        key = _key(folder, source)
        if (classifier := self._find(key)) is not None:
            return classifier
        with self._load_lock:
            # Another thread may have loaded it meanwhile.
            if (classifier := self._find(key)) is None:
                classifier = self._load(key, folder, source)
            return classifier

    def find(self, folder: ProjectFolder, source: Source) -> TextClassifier | None:
        """A classifier if it is in memory; never waits for a load."""
        return self._find(_key(folder, source))

    def _find(self, key: Key) -> TextClassifier | None:
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
            return self._loaded.get(key)

    def _load(self, key: Key, folder: ProjectFolder, source: Source) -> TextClassifier:
        with self._lock:
            while len(self._loaded) >= self._limit:
                self._loaded.popitem(last=False)
        classifier = _read(folder, source)
        with self._lock:
            self._loaded[key] = classifier
        return classifier


def with_labels(classifier: TextClassifier, label_set: LabelSet) -> TextClassifier:
    """The same encoder, which is shared, under a new head for these labels."""
    config = replace(classifier.config, labels=label_set.labels, is_multilabel=label_set.is_multilabel)
    return TextClassifier(classifier.encoder, classifier.tokenizer, config).to(classifier.head.weight.device).eval()


def _key(folder: ProjectFolder, source: Source) -> Key:
    if not source.version:
        return (source.encoder,)
    # A database made anew may have a project of the same id, whose versions begin with 1 again.
    made_at_ns = (folder.registry.find(source.version).folder / "manifest.json").stat().st_mtime_ns
    return (folder.path, source.version, made_at_ns)


def _read(folder: ProjectFolder, source: Source) -> TextClassifier:
    if source.version:
        return folder.registry.find(source.version).load()
    return new_classifier(source.encoder, _NO_LABELS).eval()
