"""The protocol of a link, for code that works on arrays. `one_of` and `any_of` are the two links."""

from collections.abc import Callable
from typing import Protocol

from model.links.units import Answers
from model.types import BoolArray, FloatArray, IntArray


class Link(Protocol):
    """The meaning of the C numbers that a head gives a text.

    Methods take a text's row of numbers. Rows of probabilities come from the head; rows of shares from people.
    """

    @property
    def name(self) -> str:
        """Identifies the link; `model/encoder/activations.py` finds probabilities and loss of a head by it."""

    @property
    def least_classes(self) -> int:
        """Number of classes that labels must have before a classifier can tell texts apart."""

    @property
    def fault(self) -> str:
        """The form that probabilities must have, for an error message."""

    @property
    def right(self) -> str:
        """The condition under which a text counts as right, in words."""

    @property
    def number(self) -> str:
        """How many labels a text gets, in words."""

    # Units, for query strategies

    def answers(self, proba_N_C: FloatArray) -> Answers:
        """The units of N texts, with their class probabilities and reduction."""

    def rows(self, answers: Answers) -> FloatArray:
        """The inverse of `answers`: proba_N_C."""

    def standing(self, proba_N_C: FloatArray) -> FloatArray:
        """Class probabilities of one unit of each text, its least sure one, for methods that need one a text.

        Returns:
            N rows that sum to 1.
        """

    def standing_members(self, proba_N_K_C: FloatArray) -> FloatArray:
        """The same for K members: for all members the unit that is least sure on average. N x K rows sum to 1."""

    def joint(self, proba_N_C: FloatArray) -> FloatArray:
        """One distribution of each text over the classes of all its units. N rows sum to 1."""

    def is_bad(self, proba: FloatArray) -> BoolArray:
        """Whether each number of proba_N_C or proba_N_K_C belongs to a row without the form of `fault`."""

    def near_tie(self, proba_N_C: FloatArray) -> FloatArray:
        """How near a text is to another decision: the smallest difference of two probabilities that decides, gap_N."""

    def likely_answers(self, proba_C: FloatArray, most: int) -> tuple[FloatArray, FloatArray]:
        """A text's likeliest answers.

        Args:
            proba_C: the text's probabilities.
            most: upper limit on A.

        Returns:
            answers_A_C as shares, and their probabilities weights_A, which sum to 1.
        """

    def expected_loss(self, proba_M_C: FloatArray) -> float:
        """The mean log loss that a classifier expects of itself on M texts, in nats; losses of units are summed."""

    # Decisions and measures

    def decide(self, values_N_C: FloatArray) -> BoolArray:
        """Whether each class holds, by probabilities or shares: is_held_N_C."""

    def certainty(self, decided_N_C: BoolArray, proba_N_C: FloatArray) -> FloatArray:
        """The probability that exactly the decided classes of a text hold: certainty_N, in [0, 1]."""

    def majority(self, shares_C: FloatArray) -> IntArray | None:
        """Positions of the classes that most annotators give; None where annotators are evenly split."""

    def confidences(self, proba_N_C: FloatArray, targets_N_C: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Each probability that a calibration error counts, and the share of people whom it got right."""

    def commonest_accuracy(self, targets_N_C: FloatArray) -> float | None:
        """Accuracy of always giving the commonest answer, in [0, 1]; None where no answer is common to texts."""

    # Fitting

    def negative_log_likelihood(self, logits_N_C: FloatArray, targets_N_C: FloatArray) -> float:
        """Negative log likelihood of shares, summed over texts, in nats."""

    def has_rivals(self, known: int) -> bool:
        """Whether a head can be fitted around the prototypes of so many classes; a class alone may have no rival."""

    def common_bias(self, logits: Callable[[], FloatArray], classes_a_text: float, bound: float) -> float:
        """The bias of all classes by which a text is expected to get so many classes.

        Args:
            logits: computes logits_N_K of some texts; called only where the bias makes a difference.
            classes_a_text: expected number of classes of a text.
            bound: the bias is sought in [-bound, bound].
        """
