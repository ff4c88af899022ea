"""What embeds a pool's texts, and the classifier that a worker keeps warm for it."""

from dataclasses import dataclass
from threading import Lock

from backend.store.project_folder import ProjectFolder
from model.encoder.bert import TextClassifier, new_classifier
from model.types import LabelSet

# An encoder before any training has no labels, and its head is not used.
_NO_LABELS = LabelSet(("none",), is_multilabel=False)


@dataclass(frozen=True)
class Source:
    """What embeds texts: a project's model version, or an encoder before any training.

    Attributes:
        encoder: BERT_MODEL; empty for the bundled one.
        version: the model version's number; 0 for the untrained encoder.
    """

    encoder: str = ""
    version: int = 0

    @property
    def name(self) -> str:
        """What stands for it in files: `version-3`, or the encoder's name."""
        return f"version-{self.version}" if self.version else self.encoder


class LastClassifier:
    """The classifier that was used last, kept warm: the next part most likely wants the same."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._key: tuple[object, ...] = ()
        self._classifier: TextClassifier | None = None

    def get(self, folder: ProjectFolder, source: Source) -> TextClassifier:
        """A project's model version, or an untrained encoder.

        Raises:
            VersionError: there is no such version.
            EncoderError: there is no such encoder.
        """
        key = _identity(folder, source)
        with self._lock:
            if self._classifier is None or key != self._key:
                # Let go of the old one first: there need not be memory for both.
                self._classifier = None
                self._classifier, self._key = _load(folder, source), key
            return self._classifier


def _identity(folder: ProjectFolder, source: Source) -> tuple[object, ...]:
    if not source.version:
        return (source.encoder,)
    # A database made anew may have a project of the same id, whose versions begin with 1 again.
    made_at_ns = (folder.registry.find(source.version).folder / "manifest.json").stat().st_mtime_ns
    return (folder.path, source.version, made_at_ns)


def _load(folder: ProjectFolder, source: Source) -> TextClassifier:
    if source.version:
        return folder.registry.find(source.version).load()
    return new_classifier(source.encoder, _NO_LABELS)
