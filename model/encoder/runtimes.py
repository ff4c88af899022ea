"""Every runtime that encoders run in, and how each loads an encoder. A runtime of one's own is a row here.

BERT_MODEL may begin with a runtime's name and a colon, as in `torch:folder`; without one it is PyTorch's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model.encoder.encoder import DEFAULT_RUNTIME, Encoder, EncoderConfig
from model.encoder.torch_runtime.torch_encoder import load_saved_torch_encoder, load_torch_encoder


@dataclass(frozen=True)
class Runtime:
    """The two ways to an encoder.

    Attributes:
        load: reads a pretrained encoder by its name, without the runtime's; raises EncoderError.
        load_saved: reads the folder that `Encoder.save` wrote; raises OSError, ValueError, KeyError, RuntimeError or
            SafetensorError where a file is missing or damaged.
    """

    load: Callable[[str], Encoder]
    load_saved: Callable[[Path, EncoderConfig], Encoder]


RUNTIMES = {DEFAULT_RUNTIME: Runtime(load_torch_encoder, load_saved_torch_encoder)}


def load_encoder(name: str) -> Encoder:
    """Load a pretrained encoder.

    Args:
        name: a Hugging Face name or folder, after a runtime's name and a colon if it is not PyTorch's; empty for the
            bundled all-MiniLM-L6-v2.

    Raises:
        EncoderError: the encoder cannot be found or read, or the bundled weights were changed.
    """
    runtime, colon, rest = name.partition(":")
    if colon and runtime in RUNTIMES:
        return RUNTIMES[runtime].load(rest)
    return RUNTIMES[DEFAULT_RUNTIME].load(name)


def load_saved_encoder(folder: Path, config: EncoderConfig) -> Encoder:
    """Read an encoder that `Encoder.save` wrote.

    Raises:
        KeyError: the runtime that wrote it is not installed here.
        OSError, ValueError, RuntimeError, SafetensorError: a file is missing or damaged.
    """
    return RUNTIMES[config.runtime].load_saved(folder, config)
