"""The plan of `python -m benchmarks loop`: parts and sizes."""

from dataclasses import dataclass
from enum import StrEnum

POOLS = (10_000, 20_000)
LABELS, TRAINING_LABELS = 128, 1000
ANNOTATIONS, ANNOTATORS = 20, 50


class Part(StrEnum):
    """A part that can be measured alone."""

    ROUND = "round"
    LIVE = "live"
    WEBHOOK = "webhook"


@dataclass(frozen=True)
class Plan:
    """Parts and sizes to measure.

    Attributes:
        pools: sizes of the projects in tasks, labelled tasks included.
        labels: labelled tasks of each project when Start Training is pressed.
        annotations: labels given one by one, each followed by a new order.
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
        """The command that repeats the plan."""
        options = [f"--part {part.value}" for part in self.parts]
        if {Part.ROUND, Part.LIVE} & set(self.parts):
            options += [f"--pool {size}" for size in self.pools]
            options += [f"--labels {self.labels} --annotations {self.annotations}"]
        if Part.WEBHOOK in self.parts:
            options += [f"--annotators {self.annotators} --training-labels {self.training_labels}"]
        return " ".join(["python -m benchmarks loop --data FOLDER --label-studio PROGRAM", *options])
