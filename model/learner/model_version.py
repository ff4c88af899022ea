"""One model version on disk: its manifest, its checksums, and its classifier."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from model.encoder.classifier import TextClassifier, load_classifier
from model.errors import DamagedVersionError, VersionError
from model.files.checksums import sha256_of, size_and_times
from model.files.damage import DAMAGE, is_shortage, set_aside
from model.learner.evaluation import Evaluation
from model.learner.held_out import HELD_OUT, HeldOutAnswers
from model.learner.prototypes import NO_TRUST, Trust
from model.seals import read_sealed
from model.types import IntArray, LabelSet, LabelTexts

# Errors that a missing or damaged file of a version may raise.
_DAMAGE = (*DAMAGE, OSError, SafetensorError)

# Versions whose files this process compared with their checksums, and size and times of each file then.
_compared: dict[Path, list[tuple[int, int, int]]] = {}


@dataclass(frozen=True)
class ModelVersion:
    """An immutable trained classifier on disk.

    Attributes:
        number: 1, 2, 3 … in order of training, never used twice.
        folder: holds the version's files.
        label_set: the classes of axis C.
        labels: number of labelled texts that it learned from.
        recipe: the configured recipe, which may be `auto`.
        encoder: the configured encoder; empty for the bundled one.
        label_digests_N: one number a labelled text; the number changes with the text and with its labels.
        recipe_used: the recipe that trained it.
        out_of_fold: evaluation on held-out labelled texts, if there was one.
        warnings: reasons why it may be poor, in sentences for people.
        weak_labels: number of texts labelled by an LLM that it learned from.
        data_sha256: hash of the labelled texts that it learned from.
        label_texts: texts with each label's meaning at the time of training.
        trust: how far label names and unlabelled texts counted.
        sha256: checksum of each file, by its path in `folder`; empty for a version of an early release.
        question: control of the labeling config whose question it answers; empty for a version of an early release.
        created_at: ISO time of the training's end; empty if the manifest does not say.
        labels_by_class: number of labelled texts of each class; empty for a version of an early release.
    """

    number: int
    folder: Path
    label_set: LabelSet
    labels: int
    recipe: str
    encoder: str
    label_digests_N: IntArray = field(compare=False)
    recipe_used: str = ""
    out_of_fold: Evaluation | None = None
    warnings: tuple[str, ...] = ()
    weak_labels: int = 0
    data_sha256: str = ""
    label_texts: LabelTexts = ()
    trust: Trust = NO_TRUST
    sha256: Mapping[str, str] = field(default_factory=dict, compare=False)
    question: str = ""
    created_at: str = ""
    labels_by_class: tuple[int, ...] = ()

    def fits(self, question: str, label_set: LabelSet) -> bool:
        """Whether it answers a question as the labeling config asks it now.

        Args:
            question: name of the control.
            label_set: the classes that the control offers.
        """
        return self.label_set == label_set and self.question in ("", question)

    @property
    def fingerprint(self) -> str:
        """Eight characters that stand for the version's files: numbers may be given again if `counter` is lost."""
        return hashlib.sha256(json.dumps(self.sha256, sort_keys=True).encode()).hexdigest()[:8]

    def load(self) -> TextClassifier:
        """Read the classifier from disk; every call reads it again.

        Raises:
            DamagedVersionError: a file is missing or damaged; the version was set aside.
            VersionError: the files are whole, and there is too little memory, or another release wrote them.
        """
        self.check()
        try:
            with _set_aside_if_damaged(self.folder):
                return load_classifier(self.folder)
        except RuntimeError as error:
            raise VersionError(f"model version {self.number} cannot be loaded: {error}") from error

    def held_out(self, *, is_ordered: bool = False) -> HeldOutAnswers | None:
        """Read the answers for texts that it had not seen; None for a version of an early release, or without folds.

        Args:
            is_ordered: the classes are degrees in order, such as stars.

        Raises:
            DamagedVersionError: the file is missing or damaged; the version was set aside.
        """
        if HELD_OUT not in self.sha256:
            return None
        with _set_aside_if_damaged(self.folder):
            content = (self.folder / HELD_OUT).read_bytes()
            if hashlib.sha256(content).hexdigest() != self.sha256[HELD_OUT]:
                raise ValueError(f"{HELD_OUT} has another checksum")
            return replace(HeldOutAnswers.from_bytes(content, self.label_set), is_ordered=is_ordered)

    def check(self) -> None:
        """Compare the files with their checksums, once for each process, and again for files that changed since.

        Raises:
            DamagedVersionError: a file is missing or damaged; the version was set aside.
        """
        with _set_aside_if_damaged(self.folder):
            times = [size_and_times(self.folder / name) for name in self.sha256]
            if _compared.get(self.folder) == times:
                return
            for name, expected in self.sha256.items():
                if sha256_of(self.folder / name) != expected:
                    raise ValueError(f"{name} has another checksum")
            _compared[self.folder] = times


@contextmanager
def _set_aside_if_damaged(folder: Path) -> Iterator[None]:
    """Set a version's folder aside if the block finds it damaged.

    Raises:
        DamagedVersionError: the folder was set aside.
        OSError: the system lacks memory, open files or the like; the version may be well.
    """
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, OSError) and is_shortage(error):
            raise
        set_aside(folder, error)
        raise DamagedVersionError(
            f"model version {folder.name} is damaged and was set aside ({error}): the newest whole version takes its "
            "place, or a training"
        ) from error


def read_version(folder: Path) -> ModelVersion:
    """Read a version's manifest, and see that its files are there.

    Raises:
        DamagedVersionError: the manifest is damaged, or a file is missing; the version was set aside.
    """
    with _set_aside_if_damaged(folder):
        version = _parsed(folder)
        for name in version.sha256:
            (folder / name).stat()
    return version


def _parsed(folder: Path) -> ModelVersion:
    manifest = read_sealed((folder / "manifest.json").read_bytes())
    config, metrics = manifest["config"], manifest["metrics"]
    return ModelVersion(
        number=int(folder.name),
        folder=folder,
        label_set=LabelSet.read(manifest["label_set"]),
        labels=int(manifest["labels"]),
        recipe=config["recipe"],
        encoder=config["encoder"],
        label_digests_N=np.array(manifest["label_digests"], dtype=np.uint64),
        recipe_used=metrics.get("recipe", config["recipe"]),
        out_of_fold=_evaluation(measured) if (measured := metrics.get("out_of_fold")) else None,
        warnings=tuple(manifest.get("warnings", ())),
        weak_labels=int(manifest.get("weak_labels", 0)),
        data_sha256=manifest.get("data_sha256", ""),
        label_texts=tuple(tuple(texts) for texts in manifest.get("label_texts", [])),
        trust=Trust(**metrics["trust"]) if "trust" in metrics else NO_TRUST,
        sha256=dict(manifest.get("sha256", {})),
        question=manifest.get("question", ""),
        created_at=manifest.get("created_at", ""),
        labels_by_class=tuple(map(int, manifest.get("labels_by_class", ()))),
    )


def _evaluation(measured: Mapping[str, Any]) -> Evaluation:
    error = measured.get("mae")
    return Evaluation(
        accuracy=float(measured["accuracy"]),
        macro_f1=float(measured["macro_f1"]),
        calibration_error=float(measured["calibration_error"]),
        texts=int(measured["texts"]),
        mae=None if error is None else float(error),
    )
