"""The results of `apply` as sentences for people, and as JSON values."""

from typing import Any

from backend.applying.planning import ApplyPlan, Seen, in_percent
from backend.store.applied import Sample
from model.learner.evaluation import Evaluation


def as_json(plan: ApplyPlan) -> dict[str, Any]:
    """Return a plan as JSON values."""
    return {
        "tasks": len(plan.labels),
        "copies": len(plan.copied),
        "share": round(plan.share, 4),
        "expected_precision": None if plan.promise.expected is None else round(plan.promise.expected, 4),
        "interval": [round(bound, 4) for bound in plan.promise.interval],
        "precision": plan.precision,
        "is_promised": plan.holds,
        "threshold": round(plan.promise.threshold, 4),
        "tested": plan.promise.tested,
        "right": plan.promise.right,
        "question": plan.question,
        "model": plan.model,
        "llm": plan.llm,
    }


def refused(reason: str) -> dict[str, Any]:
    """Return a refusal as JSON values."""
    nothing = {"tasks": 0, "share": 0.0, "expected_precision": None, "interval": None}
    return {**nothing, "is_promised": False, "reason": reason}


def counts(seen: Seen) -> dict[str, int]:
    """Return the counts of a sample as JSON values."""
    return {"agreed": seen.agreed, "answered": seen.answered, "skipped": seen.skipped, "waiting": seen.waiting}


def tell_plan(plan: ApplyPlan, known: Evaluation | None) -> list[str]:
    """Return a plan in sentences.

    Args:
        plan: the labels.
        known: evaluation of the model version on all labelled texts.
    """
    if not plan.labels:
        return ["No text waits for a label."]
    low, high = plan.promise.interval
    sure = (
        f"those on which {plan.promise.threshold:.0%} or more of the answers of {plan.llm} agree"
        if plan.llm
        else f"those with a confidence of {plan.promise.threshold:.1%} or more by model version {plan.model}"
    )
    told = [f"{len(plan.predicted)} of {plan.others} unlabelled texts get a label: {sure}."]
    if plan.copied:
        told.append(f"{len(plan.copied)} more are copies of texts that people labelled, and get the same label.")
    told.append(
        f"On {plan.promise.right} of {plan.promise.tested} such texts in the random sample people gave the same label: "
        f"between {low:.1%} and {high:.1%} of the labels are right, with 95 % certainty."
    )
    if known is not None:
        told.append(
            f"For comparison: out of fold the classifier is right on {known.accuracy:.0%} of all {known.texts} "
            "labelled texts. Most of these texts were chosen for being hard, so this share promises nothing."
        )
    return told


def tell_drawn(sample: Sample, when: str) -> str:
    """Return in a sentence that a sample was put first in the order.

    Args:
        sample: the sample.
        when: when the order changes, in words.
    """
    return (
        f"{len(sample.shown)} of {len(sample.labels)} texts that would get a label come next without the classifier's "
        f"answer, {when}. Check again when people have labelled them."
    )


def tell_seen(seen: Seen) -> list[str]:
    """Return people's labels of a sample in sentences."""
    low, high = seen.plan.promise.interval
    rest = f"; {seen.skipped} were skipped" if seen.skipped else ""
    told = [
        f"People labelled {seen.answered} texts of the sample and agreed on {seen.agreed}; {seen.waiting} wait{rest}."
    ]
    if seen.answered:
        told.append(
            f"With the random sample of the order, {seen.plan.promise.right} of {seen.plan.promise.tested} are right: "
            f"between {low:.1%} and {high:.1%} of the {len(seen.plan.predicted)} other labels are, with 95 % certainty."
        )
    if not seen.waiting:
        can = "can" if seen.plan.holds else "cannot"
        told.append(f"A precision of {in_percent(seen.plan.precision)} {can} be promised.")
    return told
