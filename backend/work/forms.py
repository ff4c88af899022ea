"""The functions that jobs may name, and the form of their arguments and results. Everything here is plain JSON.

Redis is not trusted: whoever can write to it can ask for a round, for embeddings, or for the errand in a project's
folder, and for nothing else.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, TypeAdapter

PERFORM_ROUND = "backend.rounds.performing.perform_round"
PERFORM_PART = "backend.rounds.performing.perform_part"
PERFORM_ERRAND = "backend.applying.errands.perform_errand"
_MOST_ID = 2**63 - 1


class PartTask(BaseModel):
    """The work of a part's job.

    Attributes:
        weights: digest of the encoder's files, see `offer_weights`; a helper names a folder after it.
        is_trained: the encoder has a trained head, which tells where precision matters.
        texts: K texts.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    weights: str = Field(pattern=r"^[0-9a-f]{64}\z")
    is_trained: bool
    # Pydantic's own strings refuse half a surrogate pair, which Label Studio's texts may hold.
    texts: list[InstanceOf[str]]


class PartResult(BaseModel):
    """The result of a part's job.

    Attributes:
        dimensions: D.
        embeddings: embeddings_K_D with 16 bits for each number, as base64.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    dimensions: int = Field(gt=0)
    embeddings: str


ProjectId = Annotated[int, Field(strict=True, gt=0, le=_MOST_ID)]
# The form of each function's arguments, by the function's dotted name. A worker runs no other function.
ARGUMENTS: dict[str, TypeAdapter[Any]] = {
    PERFORM_ROUND: TypeAdapter(tuple[ProjectId]),
    PERFORM_PART: TypeAdapter(tuple[PartTask]),
    PERFORM_ERRAND: TypeAdapter(tuple[ProjectId]),
}
