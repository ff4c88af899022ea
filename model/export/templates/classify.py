"""Classify texts, one a line: python classify.py < texts.txt. Needs onnxruntime and tokenizers alone."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

CONFIG = json.loads(Path(__file__).with_name("labels.json").read_text(encoding="utf-8"))
TOKENIZER = Tokenizer.from_file(str(Path(__file__).with_name("tokenizer.json")))
MODEL = onnxruntime.InferenceSession(str(Path(__file__).with_name("model.onnx")))


def classify(texts):
    """Yield each text's answer. Of a long text several pieces are read, evenly from the first to the last."""
    cut = (text.strip()[: CONFIG["max_characters"]] for text in texts)
    pieces = [[first, *first.overflowing] for first in TOKENIZER.encode_batch(list(cut))]
    places = [np.linspace(0, len(own) - 1, min(len(own), CONFIG["max_pieces"])).round().astype(int) for own in pieces]
    read = [own[place] for own, chosen in zip(pieces, places, strict=True) for place in chosen]
    ids, mask = (np.array([getattr(piece, key) for piece in read], np.int64) for key in ("ids", "attention_mask"))
    owned = np.repeat(np.eye(len(texts), dtype=np.float32), [len(chosen) for chosen in places], axis=1)
    rows = MODEL.run(None, {"input_ids": ids, "attention_mask": mask, "pieces_of_texts": owned})[0]
    for text, row in zip(texts, rows, strict=True):
        best = (row.cumsum() >= row.sum() / 2).argmax() if CONFIG["answer"] == "median" else row.argmax()
        held = np.flatnonzero(row >= 0.5) if CONFIG["answer"] == "several" else [best]
        labels = [CONFIG["labels"][at] for at in held if text.strip()]
        shares = [round(float(row[at]), 6) for at in held if text.strip()]
        one = {"label": (*labels, None)[0], "probability": (*shares, None)[0]}
        yield {"labels": labels, "probabilities": shares} if CONFIG["answer"] == "several" else one


if __name__ == "__main__":
    with open(0, encoding="utf-8-sig", errors="replace", newline="\n") as lines:
        while texts := list(islice(lines, 16)):
            print("\n".join(json.dumps(answer) for answer in classify(texts)), flush=True)
