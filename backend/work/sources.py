"""The encoder that embeds a pool's texts: a model version's encoder, or an untrained encoder."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """The encoder that embeds texts: a model version of a project, or an untrained encoder.

    Attributes:
        encoder: BERT_MODEL; empty for the bundled encoder.
        version: number of the model version; 0 for the untrained encoder.
        fingerprint: stands for the version's files; only needed for `name`.
    """

    encoder: str = ""
    version: int = 0
    fingerprint: str = ""

    @property
    def name(self) -> str:
        """The name for files: `version-3-5f0c21ab`, or the encoder's name."""
        return f"version-{self.version}-{self.fingerprint}" if self.version else self.encoder
