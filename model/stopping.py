"""When to stop labelling: advice in a sentence with its reason, by the history of a question's model versions.

The advice stops nothing: people decide. `docs/when-to-stop.md` has the equations, the figures and the limits.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

from model.judging.growth import NEXT_LABELS, Gain, Step, gain_of_next
from model.judging.history import Records, VersionRecord

TOO_EARLY, GO_ON, SLOWING, ENOUGH = "too early", "go on", "slowing", "enough"
# The least finished question decides for the project.
_STATES = (TOO_EARLY, GO_ON, SLOWING, ENOUGH)
# Number of successive agreements whose mean counts, as in Bloodgood and Vijay-Shanker (2009).
WINDOW = 3
# Chosen on seed 0 of the four sets of `benchmarks/learning/stopping.md`, so that accuracy is within 2 points of what
# 1,000 labels give.
STABLE_KAPPA, SMALL_GAIN = 0.9, 0.013
# Fewest labels for advice: with fewer, versions may agree because none has seen enough. Many classes need more: from 64
# to 247 labels Banking77 (77 classes) gained hardly 3 points on its labelled texts, and by 1,000 ten points on test
# texts. From 8 labels a class on, the learner also trains BERT instead of the head alone.
LEAST_LABELS, LABELS_A_CLASS, MOST_LEAST_LABELS = 100, 8, 1_000
# Least growth of macro F1 beyond that of accuracy, over a doubling of the labels, that shows that rare labels are
# still being learned.
F1_GROWTH = 0.03


@dataclass(frozen=True)
class Advice:
    """Advice to go on or to stop, and its figures.

    Attributes:
        state: one of TOO_EARLY, GO_ON, SLOWING, ENOUGH.
        sentence: the advice.
        reason: why, with figures.
        labels: number of labels of the newest version.
        least_labels: with fewer labels there is no advice.
        kappa: mean agreement of the last WINDOW pairs of versions on texts of the pool; None before there are so many.
        gain: expected gain in accuracy of the next NEXT_LABELS labels; None while unknown.
        gain_unknown: why the gain is unknown; empty if it is known.
        fair_accuracy: accuracy on the fair sample alone, out of fold; None without a sample.
        fair_texts: number of texts in the fair sample.
        f1_growth: growth of macro F1 beyond that of accuracy while the labels doubled; None before the labels doubled.
    """

    state: str
    sentence: str
    reason: str
    labels: int = 0
    least_labels: int = LEAST_LABELS
    kappa: float | None = None
    gain: Gain | None = None
    gain_unknown: str = ""
    fair_accuracy: float | None = None
    fair_texts: int = 0
    f1_growth: float | None = None


NOTHING_LEARNED = Advice(
    TOO_EARLY,
    "There is no advice.",
    "no classifier learns free text",
    gain_unknown="no classifier learns free text",
)


def advise(records: Records) -> Advice:
    """Advise to go on or to stop.

    Args:
        records: of a question's model versions, oldest first.
    """
    if not records:
        return Advice(
            TOO_EARLY,
            "Too early to say whether more labels are worth their time.",
            "there is no model version yet",
            gain_unknown="there is no model version yet",
        )
    figures = _figures(records)
    state, sentence, reason = _judge(figures)
    return replace(figures, state=state, sentence=sentence, reason=reason)


def least_finished(advices: Iterable[tuple[str, Advice]]) -> tuple[str, Advice] | None:
    """Return the question that needs labels most, with its advice: it stands for the project. None without questions.

    Args:
        advices: name and advice of each question.
    """
    return min(advices, key=lambda named: (_STATES.index(named[1].state), -_expected(named[1])), default=None)


def _expected(advice: Advice) -> float:
    return advice.gain.expected if advice.gain else 0.0


def _figures(records: Records) -> Advice:
    """Return the figures of the advice, without state, sentence and reason."""
    newest = records[-1]
    kappas = [record.kappa for record in records[-WINDOW:] if record.kappa is not None]
    gain = gain_of_next(_steps(records), newest.labels)
    return Advice(
        state=TOO_EARLY,
        sentence="",
        reason="",
        labels=newest.labels,
        least_labels=max(LEAST_LABELS, min(MOST_LEAST_LABELS, LABELS_A_CLASS * newest.classes)),
        kappa=fmean(kappas) if len(kappas) == WINDOW else None,
        gain=gain,
        gain_unknown="" if gain else _why_unknown(records),
        fair_accuracy=newest.random.accuracy,
        fair_texts=newest.random.texts,
        f1_growth=_f1_growth(records),
    )


def _steps(records: Records) -> list[Step]:
    return [Step(before.learned, after.learned, after.paired) for before, after in pairwise(records)]


def _why_unknown(records: Records) -> str:
    if records[-1].accuracy is None:
        return "the newest model version has no estimate of its accuracy: its labels are all of one class"
    return "it takes three model versions with estimates on the same 30 labelled texts"


def _f1_growth(records: Records) -> float | None:
    """Macro F1 minus accuracy now, beyond the same of the newest version with at most half of the labels.

    The texts that a strategy chooses get harder or easier as a project goes on. Both figures change with them; only the
    difference tells rare labels from common ones.
    """
    newest = _lead_of_f1(records[-1])
    halves = [lead for record in records if 2 * record.labels <= records[-1].labels for lead in _lead_of_f1(record)]
    return newest[0] - halves[-1] if newest and halves else None


def _lead_of_f1(record: VersionRecord) -> list[float]:
    """Macro F1 minus accuracy, out of fold; empty without an estimate."""
    return [] if record.macro_f1 is None or record.accuracy is None else [record.macro_f1 - record.accuracy]


def _judge(figures: Advice) -> tuple[str, str, str]:
    """Return state, sentence and reason."""
    gain, kappa = figures.gain, figures.kappa
    if gain is None or kappa is None or figures.labels < figures.least_labels:
        return TOO_EARLY, "Too early to say whether more labels are worth their time.", _why_too_early(figures)
    is_stable, is_small, is_rare_growing = kappa >= STABLE_KAPPA, gain.expected <= SMALL_GAIN, _do_rare_grow(figures)
    expected = f"the next {NEXT_LABELS} labels are expected to bring {_points(gain)} of accuracy"
    reason = f"{_agreement(kappa)}; {expected}"
    if is_stable and is_small and not is_rare_growing:
        return ENOUGH, "More labels are hardly worth their time.", reason
    if is_rare_growing and is_small:
        grown = (
            f"macro F1 grew by {100 * (figures.f1_growth or 0):.1f} points more than accuracy while the labels doubled"
        )
        return SLOWING, "Accuracy hardly grows any more, but rare labels are still being learned.", f"{reason}; {grown}"
    if is_stable or is_small:
        return SLOWING, "More labels bring less and less.", reason
    return GO_ON, "Go on: more labels are worth their time.", reason


def _why_too_early(figures: Advice) -> str:
    if figures.labels < figures.least_labels:
        return f"there are {figures.labels} labels; advice takes {figures.least_labels} and {WINDOW + 1} model versions"
    if figures.kappa is None:
        return f"it takes {WINDOW + 1} model versions of these labels, one after another, to see whether they agree"
    return figures.gain_unknown


def _do_rare_grow(figures: Advice) -> bool:
    """Whether macro F1, to which every label counts the same, grows more than accuracy."""
    return figures.f1_growth is not None and figures.f1_growth >= F1_GROWTH


def _agreement(kappa: float) -> str:
    return f"the last {WINDOW + 1} model versions agree on texts of the pool with a kappa of {kappa:.3f}"


def _points(gain: Gain) -> str:
    return f"{100 * gain.expected:.1f} points ({100 * gain.low:.1f} to {100 * gain.high:.1f})"
