"""Encoder, pooling, head and temperature as one ONNX graph, compared with the encoder itself before it is written."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.export import Dim

from model.encoder.torch_runtime.body import Body
from model.encoder.torch_runtime.embedding import embed_texts
from model.errors import EncoderError

GRAPH_FILE, TOKENIZER_FILE = "model.onnx", "tokenizer.json"
# ONNX Runtime from 1.14 on, of February 2023, reads this version of the operators.
OPSET = 18
# A file of ONNX holds 2 GB; larger weights stand in a file beside it.
MOST_BYTES_WITHIN = 1_800_000_000
# Promised are 1e-3. On CPUs the graph differs by some 1e-6.
TOLERANCE = 1e-4
# Three texts of ten words, so that no two of the dimensions N, M and T are equal when the graph is drawn up.
_DRAWN_FROM = ["one two three four five six seven eight nine ten"] * 3
_LOGGERS = ("torch.onnx", "torch.export", "onnx_ir", "onnxscript")
_COMPARED = ["one two three", "one", "", "two three four five six seven"]


class _Graph(nn.Module):
    """Pieces of texts → what the tail says of each text; long texts are averaged as in `embed_texts`."""

    def __init__(self, body: Body, tail: nn.Module) -> None:
        super().__init__()
        self.module = body.module
        self.tail = tail
        self._pool = body.pool

    def forward(self, input_ids: Tensor, attention_mask: Tensor, pieces_of_texts: Tensor) -> Tensor:
        """N texts of M pieces of T tokens → N rows."""
        hidden_M_T_D = self.module(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pieces_M_D = self._pool(hidden_M_T_D, attention_mask)
        tokens_N_M = pieces_of_texts * attention_mask.sum(1).to(pieces_of_texts.dtype)
        answered: Tensor = self.tail((tokens_N_M / tokens_N_M.sum(1, keepdim=True)) @ pieces_M_D)
        return answered


def write_onnx(body: Body, tail: nn.Module, folder: Path) -> None:
    """Write `model.onnx` and `tokenizer.json`; arguments and errors as of `Encoder.write_onnx`."""
    if not getattr(body.tokenizer, "is_fast", False):
        raise EncoderError(
            f"the tokenizer of {body.config.name!r} has no tokenizer.json, which an ONNX export needs: "
            "set BERT_MODEL to an encoder that has one, and train anew"
        )
    on_cpu = Body(copy.deepcopy(body.module).cpu().eval(), body.tokenizer, body.config)
    # Written by Python, whose errors say what is wrong with a disk.
    (folder / TOKENIZER_FILE).write_text(_cutting_and_padding(on_cpu).to_str(pretty=True), encoding="utf-8")
    _write_graph(on_cpu, tail, folder / GRAPH_FILE)
    check_graph(on_cpu, tail, folder)


def _cutting_and_padding(body: Body) -> Tokenizer:
    """The tokenizer as `Body` calls it: pieces of the window's size, padded to the longest piece of a batch."""
    tokenizer = Tokenizer.from_str(body.tokenizer.backend_tokenizer.to_str())
    tokenizer.enable_truncation(body.config.max_tokens)
    tokenizer.enable_padding(
        direction=body.tokenizer.padding_side,
        pad_id=body.tokenizer.pad_token_id,
        pad_token=body.tokenizer.pad_token,
    )
    return tokenizer


def _write_graph(body: Body, tail: nn.Module, file: Path) -> None:
    graph = _Graph(body, tail.eval())
    batch = body.pad(body.tokenize(_DRAWN_FROM))
    pieces_of_texts = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    pieces, tokens, texts = Dim("pieces"), Dim("tokens", max=body.config.max_tokens), Dim("texts")
    try:
        with _quiet(), torch.no_grad():
            program: Any = torch.onnx.export(
                graph,
                (batch["input_ids"], batch["attention_mask"], pieces_of_texts),
                input_names=["input_ids", "attention_mask", "pieces_of_texts"],
                output_names=["probabilities"],
                dynamic_shapes=({0: pieces, 1: tokens}, {0: pieces, 1: tokens}, {0: texts, 1: pieces}),
                opset_version=OPSET,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise EncoderError(_cannot(body, str(error).strip().split("\n")[0])) from error
    program.save(str(file), external_data=_size_bytes(graph) > MOST_BYTES_WITHIN)


def _size_bytes(module: nn.Module) -> int:
    return sum(weights.nbytes for weights in module.parameters())


def check_graph(body: Body, tail: nn.Module, folder: Path) -> None:
    """Read a written graph, and compare it with the encoder on texts of other lengths than it was drawn up from.

    Args:
        body: the encoder, on the CPU.
        tail: as of `Encoder.write_onnx`.
        folder: with `model.onnx` and `tokenizer.json`.

    Raises:
        EncoderError: the graph says something else.
    """
    encodings = Tokenizer.from_file(str(folder / TOKENIZER_FILE)).encode_batch(_COMPARED)
    fed = {
        "input_ids": np.array([encoding.ids for encoding in encodings], dtype=np.int64),
        "attention_mask": np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64),
        "pieces_of_texts": np.eye(len(_COMPARED), dtype=np.float32),
    }
    # Loaded here alone: no other work needs it.
    runtime = import_module("onnxruntime")
    session = runtime.InferenceSession(str(folder / GRAPH_FILE), providers=["CPUExecutionProvider"])
    found_N_C = session.run(None, fed)[0]
    with torch.inference_mode():
        wanted_N_C = tail(torch.from_numpy(embed_texts(body, _COMPARED))).numpy()
    difference = float(np.abs(found_N_C - wanted_N_C).max())
    if not difference <= TOLERANCE:
        raise EncoderError(_cannot(body, f"its probabilities differ by {difference:.2g}"))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep warnings and log lines of the export libraries, which are about their own insides, from people."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _cannot(body: Body, reason: str) -> str:
    return (
        f"the encoder {body.config.name!r} cannot be written as ONNX ({reason}): "
        "export it with --format sentence-transformers"
    )
