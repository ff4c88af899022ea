"""What a GPU saves: the same trainings and the same scoring on it and on the processor beside it, in one run."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gold import GoldSet, read_set
from benchmarks.learner import as_targets
from benchmarks.machine import described
from model.bert import load_classifier, save_classifier
from model.inference import embed_pool, embed_texts, head_proba
from model.processor import best_device, use_available_cores
from model.recipes import TrainingConfig
from model.training import train

SETS = ("agnews",)
LABELS = (32, 128)
# Scored by both processors; the pools of the sets have at least so many.
TEXTS = 4000
TABLE = Path(__file__).with_name("gpu.md")
_WITHOUT_GPU = {"CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True)
class Measured:
    """One set on one device.

    Attributes:
        train_s: seconds a training took, folds included, by number of labels.
        texts_per_s: of scoring, in fp32 and as pools are scored.
        classes_N: what each text is said to be, as pools are scored, by a classifier that both devices were given.
        again: whether the same seed gave the same probabilities twice.
    """

    train_s: dict[str, float]
    texts_per_s: dict[str, float]
    classes_N: list[int]
    again: bool


def run(data: Path) -> None:
    """Measure each set on the GPU, then on the processor, and write the table.

    Raises:
        RuntimeError: there is no GPU.
    """
    if best_device().type != "cuda":
        raise RuntimeError("this benchmark compares a GPU with the processor beside it, and torch finds no GPU here")
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for name in SETS:
            gold = read_set(data, name)
            shared = Path(folder) / name
            trained = train(as_targets(gold, gold.draw(128, 0)), TrainingConfig(folds=0))
            shared.mkdir()
            save_classifier(trained.classifier, shared)
            rows.append((name, _in_a_process(data, name, shared, {}), _in_a_process(data, name, shared, _WITHOUT_GPU)))
            TABLE.write_text(_table(rows), encoding="utf-8")


def _in_a_process(data: Path, name: str, shared: Path, environment: Mapping[str, str]) -> Measured:
    """Measured by a process of its own: which device there is, torch finds out once."""
    command = [sys.executable, "-m", "benchmarks.gpu", str(data), name, str(shared)]
    ended = subprocess.run(  # noqa: S603 - this file
        command, env={**os.environ, **environment}, check=True, stdout=subprocess.PIPE
    )
    print(f"{name}, {'processor' if environment else 'GPU'}: {ended.stdout[:300].decode()}", flush=True)
    return Measured(**json.loads(ended.stdout))


def measure(gold: GoldSet, shared: Path) -> Measured:
    """Everything on the device that this process has, each once warm."""
    use_available_cores()
    texts = gold.pool.texts[:TEXTS]
    classifier = load_classifier(shared)
    embed_texts(classifier, texts[:200])
    proba_N_C = head_proba(classifier, classifier.head, embed_pool(classifier, texts))
    train(as_targets(gold, gold.draw(16, 0)), TrainingConfig(folds=0))
    return Measured(
        train_s={
            str(labels): train(as_targets(gold, gold.draw(labels, 0)), TrainingConfig()).train_s for labels in LABELS
        },
        texts_per_s={
            "fp32": len(texts) / _seconds(lambda: embed_texts(classifier, texts)),
            "pool": len(texts) / _seconds(lambda: embed_pool(classifier, texts)),
        },
        classes_N=proba_N_C.argmax(axis=1).tolist(),
        again=_is_repeatable(gold),
    )


def _seconds(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _is_repeatable(gold: GoldSet) -> bool:
    texts, targets = gold.heldout.texts[:200], as_targets(gold, gold.draw(32, 1))
    classifiers = [train(targets, TrainingConfig(folds=0, seed=1)).classifier for _ in range(2)]
    one, other = (head_proba(each, each.head, embed_texts(each, texts)) for each in classifiers)
    return bool(np.array_equal(one, other))


def _table(rows: Sequence[tuple[str, Measured, Measured]]) -> str:
    lines = [
        "# On a GPU",
        "",
        f'`make bench ARGS="gpu --data FOLDER"` on {torch.cuda.get_device_name()} and, without it, '
        f"{described('torch', 'transformers')}. Bundled encoder, `auto` with its folds; each once, warm, in a "
        f"process of its own. Scored: {TEXTS:,} texts of the pool.",
        "",
        "| set | what | GPU | processor | times as fast |",
        "|---|---|---|---|---|",
    ]
    for name, gpu, cpu in rows:
        for labels in map(str, LABELS):
            a, b = gpu.train_s[labels], cpu.train_s[labels]
            lines.append(f"| {name} | training on {labels} labels, s | {a:.1f} | {b:.1f} | {b / a:.1f} |")
        for key, what in (("fp32", "texts/s in fp32"), ("pool", "texts/s as pools are scored")):
            a, b = gpu.texts_per_s[key], cpu.texts_per_s[key]
            lines.append(f"| {name} | {what} | {a:,.0f} | {b:,.0f} | {a / b:.1f} |")
    lines.append("")
    for name, gpu, cpu in rows:
        same = np.mean(np.array(gpu.classes_N) == np.array(cpu.classes_N))
        again = "the same" if gpu.again else "**not** the same"
        lines += [
            f"{name}: a classifier trained on the GPU, saved, and read by both gives {same:.2%} of the texts the same "
            f"class on both; the same seed trained twice on the GPU gives {again} probabilities, to the last bit.",
            "",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(json.dumps(asdict(measure(read_set(Path(sys.argv[1]), sys.argv[2]), Path(sys.argv[3])))))
