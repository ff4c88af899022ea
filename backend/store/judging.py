"""Records of judged model versions: their history, the last answers to the stop set, the gate's last decision."""

from dataclasses import dataclass

from model.judging.comparison import Paired
from model.judging.history import VersionRecord
from model.types import LabelSet

# The most versions that are remembered: at a quarter more labels each, 200 versions are more labels than texts exist.
MOST_RECORDS = 200


@dataclass(frozen=True)
class History:
    """The model versions of one question, in order of training; those of other labels are forgotten.

    Attributes:
        label_set: the classes of all of them.
        records: oldest first, at most MOST_RECORDS.
    """

    label_set: LabelSet
    records: tuple[VersionRecord, ...] = ()


@dataclass(frozen=True)
class StopAnswers:
    """The answers of the newest version to the stop set.

    Attributes:
        version: its number.
        digests: of the texts.
        answers: positions of the classes that it gives each text.
    """

    version: int
    digests: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Comparison:
    """A new version and another on the same texts.

    Attributes:
        on: which texts these are, for people.
        paired: the texts that one of them alone gets right.
    """

    on: str
    paired: Paired


@dataclass(frozen=True)
class Decision:
    """Whether a new model version took the place of the current one.

    Attributes:
        version: number of the new version.
        fingerprint: of its files, since a number may be given again.
        against: number of the current version.
        is_held: the new version waits for a person.
        reason: why it waits, for people; empty if it does not.
        comparisons: what the decision goes by.
    """

    version: int
    fingerprint: str
    against: int
    is_held: bool
    reason: str = ""
    comparisons: tuple[Comparison, ...] = ()

    def is_about(self, version: int, fingerprint: str, against: int) -> bool:
        """Whether it was made of these two versions."""
        return (self.version, self.fingerprint, self.against) == (version, fingerprint, against)
