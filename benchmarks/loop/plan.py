"""What `python -m benchmarks loop` is to measure."""

from dataclasses import dataclass
from enum import Enum

POOLS = (10_000, 20_000)
LABELS, TRAINING_LABELS = 128, 1000
ANNOTATIONS, ANNOTATORS = 20, 50


class Part(str, Enum):
    """What can be measured by itself."""

    ROUND = "round"
    LIVE = "live"
    WEBHOOK = "webhook"


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        pools: tasks of a project, labelled ones included.
        labels: of these have a label when the training is asked for.
        annotations: labels given one by one, to see the order follow.
        annotators: people who label while BERT trains on `training_labels`.
    """

    parts: tuple[Part, ...] = tuple(Part)
    pools: tuple[int, ...] = POOLS
    labels: int = LABELS
    annotations: int = ANNOTATIONS
    annotators: int = ANNOTATORS
    training_labels: int = TRAINING_LABELS

    @property
    def command(self) -> str:
        """What repeats it."""
        options = [f"--part {part.value}" for part in self.parts]
        if {Part.ROUND, Part.LIVE} & set(self.parts):
            options += [f"--pool {size}" for size in self.pools]
            options += [f"--labels {self.labels} --annotations {self.annotations}"]
        if Part.WEBHOOK in self.parts:
            options += [f"--annotators {self.annotators} --training-labels {self.training_labels}"]
        return " ".join(["python -m benchmarks loop --data FOLDER --label-studio PROGRAM", *options])
