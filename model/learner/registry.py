"""Model versions on disk: write a version, read it back, rename it into place, and point to it."""

import hashlib
import json
import math
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from model.encoder.classifier import TextClassifier, load_classifier, save_classifier
from model.errors import VersionError
from model.files import write_whole
from model.learner.evaluation import Evaluation
from model.learner.prototypes import NO_TRUST, Trust
from model.learner.recipes import TrainingConfig
from model.learner.training import Trained
from model.text_digests import text_digest
from model.types import IntArray, LabelSet, LabelTexts, Targets

# The newest versions that stay on disk, to roll back to; each is as large as its encoder (90 MB for the bundled one).
KEPT_VERSIONS = 5


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

    def load(self) -> TextClassifier:
        """Read the classifier from disk; every call reads it again."""
        return load_classifier(self.folder)


def data_sha256(targets: Targets) -> str:
    """Hash labelled texts; other texts or other labels have another hash."""
    return hashlib.sha256(label_digests(targets).tobytes()).hexdigest()


def label_digests(targets: Targets) -> IntArray:
    """Hash each labelled text's task, text and shares into one number: digests_N, uint64."""
    rows = zip(targets.task_ids, targets.texts, targets.targets_N_C, strict=True)
    return np.array([text_digest(f"{task} {text} {shares.tolist()}") for task, text, shares in rows], dtype=np.uint64)


class Registry:
    """The model versions of one project, under one folder.

    A version is written beside its place, read back, then renamed; the file `current` is replaced as a whole. So a
    killed process leaves no half-written version, and a reader always finds a whole one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def numbers(self) -> list[int]:
        """The versions on disk, oldest first."""
        names = (path.name for path in self._folder.glob("*") if path.is_dir())
        return sorted(int(name) for name in names if name.isdigit())

    def latest(self) -> ModelVersion | None:
        """The version that was trained last, current or not."""
        numbers = self.numbers()
        return self.find(numbers[-1]) if numbers else None

    def current(self) -> ModelVersion | None:
        """The version in use."""
        pointer = self._pointer()
        return self.find(pointer["number"]) if pointer else None

    def pending(self) -> ModelVersion | None:
        """The version that was trained last, if it never became current because a round was killed before."""
        latest = self.latest()
        return latest if latest is not None and latest.number > self._pointer().get("newest_seen", 0) else None

    def find(self, number: int) -> ModelVersion:
        """Read a version's manifest.

        Raises:
            VersionError: there is no such version.
        """
        folder = self._folder / str(number)
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            kept = ", ".join(map(str, self.numbers())) or "none"
            raise VersionError(f"there is no model version {number}; on disk: {kept}") from error
        return ModelVersion(
            number=number,
            folder=folder,
            label_set=LabelSet.read(manifest["label_set"]),
            labels=manifest["labels"],
            recipe=manifest["config"]["recipe"],
            encoder=manifest["config"]["encoder"],
            label_digests_N=np.array(manifest["label_digests"], dtype=np.uint64),
            recipe_used=manifest["metrics"].get("recipe", manifest["config"]["recipe"]),
            out_of_fold=Evaluation(**measured) if (measured := manifest["metrics"].get("out_of_fold")) else None,
            warnings=tuple(manifest.get("warnings", ())),
            weak_labels=manifest.get("weak_labels", 0),
            data_sha256=manifest.get("data_sha256", ""),
            label_texts=tuple(tuple(texts) for texts in manifest.get("label_texts", [])),
            trust=Trust(**manifest["metrics"]["trust"]) if "trust" in manifest["metrics"] else NO_TRUST,
        )

    def write(
        self, trained: Trained, targets: Targets, config: TrainingConfig, label_texts: LabelTexts = ()
    ) -> ModelVersion:
        """Save a trained classifier as the next version; it is not current yet.

        Raises:
            VersionError: the written version cannot be read back.
        """
        number = self._next_number()
        beside = self._folder / f".{number}.tmp"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        save_classifier(trained.classifier, beside)
        more = {"label_texts": label_texts, "sha256": _checksums(beside)}
        manifest = _manifest(trained, targets, config, more)
        write_whole(beside / "manifest.json", json.dumps(manifest, indent=2).encode())
        _check(beside)
        beside.rename(self._folder / str(number))
        return self.find(number)

    def point(self, number: int) -> None:
        """Make a version current, and delete versions older than the newest KEPT_VERSIONS, except the current one."""
        self.find(number)
        pointer = {"number": number, "newest_seen": self.numbers()[-1]}
        write_whole(self._folder / "current", json.dumps(pointer).encode())
        for old in self.numbers()[:-KEPT_VERSIONS]:
            if old != number:
                shutil.rmtree(self._folder / str(old))

    def _pointer(self) -> dict[str, int]:
        file = self._folder / "current"
        pointer: dict[str, int] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return pointer

    def _next_number(self) -> int:
        """Count up in a file, so that the number of a deleted version is not given again."""
        counter = self._folder / "counter"
        self._folder.mkdir(parents=True, exist_ok=True)
        last = int(counter.read_text(encoding="ascii")) if counter.exists() else 0
        number = max([last, *self.numbers()]) + 1
        write_whole(counter, str(number).encode())
        return number


def _manifest(trained: Trained, targets: Targets, config: TrainingConfig, more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "created_at": datetime.now(timezone.utc).isoformat(),
        "labels": len(targets),
        "weak_labels": trained.weak_labels,
        "label_set": asdict(targets.label_set),
        "label_digests": label_digests(targets).tolist(),
        "data_sha256": data_sha256(targets),
        "config": asdict(config),
        "metrics": {
            "recipe": trained.recipe.value,
            "steps": trained.steps,
            "final_loss": trained.final_loss if math.isfinite(trained.final_loss) else None,
            "train_s": trained.train_s,
            "temperature": trained.classifier.config.temperature,
            "out_of_fold": asdict(trained.out_of_fold) if trained.out_of_fold else None,
            "trust": asdict(trained.trust),
        },
        "warnings": trained.warnings,
        "libraries": {
            "python": platform.python_version(),
            **{
                name: library_version(name) for name in ("torch", "transformers", "tokenizers", "scikit-learn", "numpy")
            },
        },
        "machine": {
            "device": trained.classifier.encoder.device,
            "threads": torch.get_num_threads(),
            "is_bf16": trained.classifier.encoder.is_mixed_faster,
        },
        **more,
    }


def _checksums(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _check(folder: Path) -> None:
    """Flush the version to disk and load it once, before anything points to it."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    try:
        load_classifier(folder)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise VersionError(f"the new model version cannot be read back ({error}): is the disk full?") from error
