"""The encoder that embeds a pool's texts: a model version's, or one before any training."""

from dataclasses import dataclass


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
        """Its name in files: `version-3`, or the encoder's name."""
        return f"version-{self.version}" if self.version else self.encoder
