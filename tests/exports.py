"""Model versions to export, and exported folders as strangers use them."""

import json
import runpy
import subprocess
import sys
import venv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import distribution, requires
from pathlib import Path
from typing import Any

import numpy as np
import torch
from packaging.requirements import Requirement

from model.encoder.classifier import TextClassifier, new_classifier
from model.learner.model_version import ModelVersion
from model.learner.recipes import TrainingConfig
from model.learner.registry import Registry
from model.learner.training import Trained
from model.types import LabelSet, Recipe, Targets
from tests.fakes import SENTIMENT

# What an exported folder needs; numpy comes with onnxruntime.
NEEDED = ("onnxruntime", "tokenizers")
LONG = "good film the plot bad cast " * 60
TEXTS = ("good film", "the cast", "", LONG, "awful plot a cast", "lovely", "bad " * 20, " great\n film ")


def a_classifier(encoder: str, label_set: LabelSet = SENTIMENT, seed: int = 0) -> TextClassifier:
    """An untrained classifier that tells TEXTS apart, and has a temperature."""
    torch.manual_seed(seed)
    classifier = new_classifier(encoder, label_set)
    head = classifier.head.requires_grad_(requires_grad=False)
    head.weight.mul_(20)
    head.bias.copy_(-head.weight @ torch.from_numpy(classifier.encoder.embed(TEXTS).mean(axis=0)))
    return replace(classifier, config=replace(classifier.config, temperature=1.7))


def write_version(registry: Registry, classifier: TextClassifier, question: str = "", **more: Any) -> ModelVersion:
    """Make a classifier the version in use."""
    label_set = classifier.config.label_set
    rows = range(len(label_set.labels))
    targets = Targets(tuple(rows), tuple(f"text {row}" for row in rows), np.eye(len(rows), dtype=np.float32), label_set)
    trained = Trained(classifier, Recipe.HEAD, **more)
    config = TrainingConfig(Recipe.HEAD, classifier.encoder.config.name)
    version = registry.write(trained, targets, config, question=question)
    registry.point(version.number)
    return version


def script_of(folder: Path) -> Any:
    """`classify` of an exported folder, in this process."""
    return runpy.run_path(str(folder / "classify.py"))["classify"]


def run_script(folder: Path, texts: Iterable[str], python: Path | str = sys.executable) -> list[dict[str, Any]]:
    """What `python classify.py < texts.txt` prints."""
    lines = "".join(f"{text}\n" for text in texts).encode()
    ended = subprocess.run([str(python), str(folder / "classify.py")], input=lines, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    return [json.loads(line) for line in ended.stdout.decode().splitlines()]


def fresh_venv(folder: Path, packages: Sequence[str] = NEEDED) -> Path:
    """A venv with the installed files of some packages and of those that they import, and nothing else; its Python.

    The files are links, compiled ones among them: to copy and to compile them takes a minute.

    Args:
        folder: to make.
        packages: names of packages.
    """
    venv.create(folder, with_pip=False)
    site = next((folder / "lib").glob("python*/site-packages"))
    for name in _needed(packages):
        # Some are listed twice: once by the package, once by its installer.
        for file in set(distribution(name).files or ()):
            if ".." not in file.parts and file.locate().exists():
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                (site / file).symlink_to(file.locate())
    return folder / "bin" / "python"


def _needed(packages: Sequence[str]) -> set[str]:
    """The packages and what they require; what tokenizers requires is only for downloads from a hub."""
    found = set(packages)
    for line in requires("onnxruntime") or ():
        one = Requirement(line)
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            found.add(one.name)
    return found


def held(answer: Mapping[str, Any]) -> dict[str, float]:
    """Labels and probabilities of an answer, whatever its form."""
    if "labels" in answer:
        return dict(zip(answer["labels"], answer["probabilities"], strict=True))
    return {answer["label"]: answer["probability"]} if answer["label"] is not None else {}


def assert_same(given: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]], within: float = 1e-3) -> None:
    """Answers agree: the same labels, unless a probability is at a tie, and probabilities within a bound."""
    assert len(given) == len(wanted)
    for one, other in zip(given, wanted, strict=True):
        mine, theirs = held(one), held(other)
        assert mine.keys() == theirs.keys(), (one, other)
        assert all(abs(mine[label] - theirs[label]) <= within for label in mine), (one, other)
