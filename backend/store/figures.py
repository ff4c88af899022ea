"""Records that a project's page shows: its rounds, trainings, figures and pause."""

from dataclasses import dataclass

from model.figures.annotators import NOBODY, People
from model.figures.held_out import Bin, ClassFigures, Confusion
from model.figures.label_errors import Suspect
from model.figures.random_labels import RandomLabels
from model.figures.shares import Share


@dataclass(frozen=True)
class Pause:
    """Rounds of the project neither train nor publish.

    Attributes:
        at: since when, in seconds since 1970.
    """

    at: float


@dataclass(frozen=True)
class RoundRecord:
    """A round that published an order.

    Attributes:
        at: end of the round, in seconds since 1970.
        labels: number of labelled tasks.
        model: number of the model version that made the order; 0 without a model version.
        publication: name of the order.
        strategy: the query strategy.
        left: number of tasks that needed an annotation.
        seconds: duration of the round.
    """

    at: float
    labels: int
    model: int
    publication: str
    strategy: str
    left: int
    seconds: float


@dataclass(frozen=True)
class TrainingRecord:
    """One training of a question, measured at once: a point of its learning curve.

    Attributes:
        question: control of the labeling config whose question was learned.
        version: number of the model version.
        at: end of the training, in seconds since 1970.
        labels: number of labelled texts that it learned from.
        recipe: the recipe that trained it.
        out_of_fold: texts that it got right without having seen them; of 0 where nothing was held out.
        fair: the same of the texts that were drawn at random.
        macro_f1: F1 averaged over classes, on the texts of `out_of_fold`; None where nothing was held out.
        random: chosen against random labels; None with too few random texts.
    """

    question: str
    version: int
    at: float
    labels: int
    recipe: str
    out_of_fold: Share
    fair: Share
    macro_f1: float | None = None
    random: RandomLabels | None = None


@dataclass(frozen=True)
class ClassCount:
    """How many labelled texts have a class."""

    label: str
    texts: int


@dataclass(frozen=True)
class QuestionFigures:
    """The figures of a question after a round.

    Attributes:
        question: control of the labeling config.
        kind: kind of the question, such as Classification.
        version: the model version that was measured; 0 for none.
        labels: number of labelled texts.
        counts: labelled texts of each class now; where people disagreed, most of them decide.
        out_of_fold: texts that the version got right without having seen them.
        fair: the same of the texts that were drawn at random.
        classes: figures of each class; empty where nothing was held out.
        confusions: which classes are taken for which, the commonest first.
        calibration: how often answers of like confidence are right.
        mean_error: mean distance of the answer from people's, in classes; None where classes have no order.
        suspects: texts whose label looks wrong, the likeliest error first; corrected ones are left out.
        people: the annotators.
    """

    question: str
    kind: str
    version: int
    labels: int
    counts: tuple[ClassCount, ...]
    out_of_fold: Share
    fair: Share
    classes: tuple[ClassFigures, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    calibration: tuple[Bin, ...] = ()
    mean_error: float | None = None
    suspects: tuple[Suspect, ...] = ()
    people: People = NOBODY
