"""Model versions on disk: write a version, read it back, rename it into place, and point to it.

A damaged version is set aside, and the newest whole one takes its place.
"""

import hashlib
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from model.encoder.classifier import load_classifier, save_classifier
from model.encoder.processor import is_out_of_memory
from model.errors import VersionError
from model.files.checksums import sha256_of
from model.files.damage import BROKEN, read_or_set_aside
from model.files.names import discard
from model.files.writing import new_folder, write_whole
from model.learner.held_out import HELD_OUT
from model.learner.model_version import ModelVersion, read_version
from model.learner.recipes import TrainingConfig
from model.learner.training import Trained
from model.links import link_of
from model.seals import read_sealed, sealed
from model.text_digests import text_digest
from model.types import IntArray, LabelTexts, Targets

# The newest versions that stay on disk, to roll back to; each is as large as its encoder (90 MB for the bundled one).
KEPT_VERSIONS = 5


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
    killed process leaves no half-written version. A version that is damaged later is set aside when somebody finds out,
    and readers get the newest whole one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def numbers(self) -> list[int]:
        """The versions on disk, oldest first; damage in them may not be known yet."""
        names = (path.name for path in self._folder.glob("*") if path.is_dir())
        return sorted(int(name) for name in names if name.isdecimal())

    def latest(self) -> ModelVersion | None:
        """The version that was trained last, current or not."""
        return self._newest(math.inf)

    def current(self) -> ModelVersion | None:
        """Return the version in use; if it is missing or damaged, the newest undamaged one that was in use before."""
        pointer = self._pointer()
        if not pointer:
            return None
        return self._find_whole(pointer["number"]) or self._newest(pointer["newest_seen"])

    def missing(self) -> int:
        """The number of the version that should be in use and is not on disk; 0 if it is there."""
        number = self._pointer().get("number", 0)
        return 0 if number in self.numbers() else number

    def pending(self) -> ModelVersion | None:
        """The version that was trained last, if it never became current: a round was killed before, or it waits."""
        latest = self.latest()
        return latest if latest is not None and self.is_new(latest.number) else None

    def find(self, number: int) -> ModelVersion:
        """Read a version's manifest, and see that its files are there.

        Raises:
            VersionError: there is no such version.
            DamagedVersionError: the manifest is damaged, or a file is missing; the version was set aside.
        """
        folder = self._folder / str(number)
        if not folder.is_dir():
            kept = ", ".join(map(str, self.numbers())) or "none"
            raise VersionError(f"there is no model version {number}; on disk: {kept}")
        return read_version(folder)

    def _find_whole(self, number: int) -> ModelVersion | None:
        try:
            return self.find(number)
        except VersionError:
            return None

    def _newest(self, most: float) -> ModelVersion | None:
        """The newest version with a whole manifest and a number of at most `most`."""
        found = (self._find_whole(number) for number in reversed(self.numbers()) if number <= most)
        return next((version for version in found if version is not None), None)

    def write(
        self,
        trained: Trained,
        targets: Targets,
        config: TrainingConfig,
        label_texts: LabelTexts = (),
        question: str = "",
    ) -> ModelVersion:
        """Save a trained classifier as the next version; it is not current yet.

        Args:
            trained: the classifier, and how it was trained.
            targets: the labelled texts that it learned from.
            config: the configuration of the training.
            label_texts: texts with each label's meaning.
            question: control of the labeling config whose question it answers.

        Raises:
            VersionError: the written version cannot be read back.
        """
        number = self._next_number()
        with new_folder(self._folder / str(number)) as beside:
            save_classifier(trained.classifier, beside)
            if trained.held_out is not None:
                (beside / HELD_OUT).write_bytes(trained.held_out.to_bytes())
            more = {"label_texts": label_texts, "sha256": _checksums(beside), "question": question}
            manifest = _manifest(trained, targets, config, more)
            (beside / "manifest.json").write_bytes(sealed(json.dumps(manifest, indent=2).encode()))
            _read_back(beside)
        return self.find(number)

    def point(self, number: int) -> None:
        """Make a version current, and `tidy`.

        Raises:
            VersionError: there is no such version, or it is damaged.
        """
        self.find(number).check()
        pointer = {"number": number, "newest_seen": self.numbers()[-1]}
        write_whole(self._folder / "current", sealed(json.dumps(pointer).encode()))
        self.tidy()

    def tidy(self) -> None:
        """Delete versions older than the newest KEPT_VERSIONS, except the current one."""
        current = self._pointer().get("number")
        for old in self.numbers()[:-KEPT_VERSIONS]:
            if old != current:
                discard(self._folder / str(old))

    def is_new(self, number: int) -> bool:
        """Whether a version was trained after the current one took its place, so that nobody has pointed past it."""
        return number > self._pointer().get("newest_seen", 0)

    def is_set_back(self, number: int) -> bool:
        """Whether somebody made a version current although a newer one was there: a rollback."""
        newest_seen = self._pointer().get("newest_seen", 0)
        return any(number < other <= newest_seen for other in self.numbers())

    def _pointer(self) -> dict[str, int]:
        """Read which version is current, and the newest number at that time; empty before the first."""
        return read_or_set_aside(self._folder / "current", _parsed_pointer) or {}

    def _next_number(self) -> int:
        """Count up in a file, so that the number of a deleted version is not given again.

        Where the file is lost, the versions on disk count, those that were set aside and the current one.
        """
        counter = self._folder / "counter"
        last = read_or_set_aside(counter, lambda content: int(read_sealed(content))) or 0
        names = [path.name.removesuffix(BROKEN) for path in self._folder.glob("*")]
        on_disk = [int(name) for name in names if name.isdecimal()]
        number = max([last, *on_disk, *self._pointer().values()]) + 1
        write_whole(counter, sealed(str(number).encode()))
        return number


def _parsed_pointer(content: bytes) -> dict[str, int]:
    pointer = read_sealed(content)
    return {"number": int(pointer["number"]), "newest_seen": int(pointer.get("newest_seen", 0))}


def _manifest(trained: Trained, targets: Targets, config: TrainingConfig, more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "created_at": datetime.now(UTC).isoformat(),
        "labels": len(targets),
        "weak_labels": trained.weak_labels,
        "label_set": asdict(targets.label_set),
        "labels_by_class": link_of(targets.label_set).decide(targets.targets_N_C).sum(axis=0).tolist(),
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
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def _read_back(folder: Path) -> None:
    """Load a version once, before it gets its name.

    Raises:
        VersionError: it cannot be loaded.
    """
    try:
        load_classifier(folder)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        raise VersionError(f"the new model version cannot be read back ({error}): is the disk full?") from error
