"""Speed of /predict, of scoring against the machine's peak, and of lower precision."""

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backend.store.project_folder import ProjectFolder
from benchmarks.machine import described
from benchmarks.speed.scoring import NEW_LABELS, Precision, Share, precisions, profile, share_of_peak
from benchmarks.speed.serving import PUBLISHED_TASKS, REPETITIONS, Answered, compare, published_seconds, serving
from model.encoder.classifier import TextClassifier
from model.encoder.processor import available_cores, use_available_cores
from model.learner.recipes import TrainingConfig
from model.learner.training import train
from model.simulation.gold import read_gold
from model.types import Targets, TrainingData

NEWS, QUESTIONS = "agnews", "trec6"
LABELS, REQUEST_TASKS, SCORED, DECISIONS = 128, 1000, 2000, 4000
PROFILED_OPERATIONS = 6
TABLE = Path(__file__).with_name("speed.md")


def run(data: Path) -> None:
    """Measure everything, print and write the table."""
    use_available_cores()
    news, questions = (read_gold([data / name / "train.jsonl.gz"])[0] for name in (NEWS, QUESTIONS))
    rest = list(news.texts[LABELS:])
    with tempfile.TemporaryDirectory() as home:
        model_dir = Path(home) / "data"
        folder = ProjectFolder(model_dir, 1)
        labelled = news.some(np.arange(LABELS))
        classifier, version = _trained(labelled, folder)
        with serving(folder, model_dir, news.label_set) as server:
            texts = {NEWS: rest[:REQUEST_TASKS], QUESTIONS: list(questions.texts[:REQUEST_TASKS])}
            answered = [compare(server, version, name, some) for name, some in texts.items()]
            published_s = published_seconds(server, rest)
    # Each set by its own classifier: one of another topic is in two minds about more texts than a pool has.
    asked = train(TrainingData(questions.some(np.arange(LABELS))), TrainingConfig()).classifier
    pools = {NEWS: (classifier, news), QUESTIONS: (asked, questions)}
    shares = [
        share_of_peak(knows, name, gold.texts[LABELS : LABELS + SCORED], threads, is_mixed=is_mixed)
        for name, (knows, gold) in pools.items()
        for threads in sorted({1, available_cores()})
        for is_mixed in (False, True)
    ]
    spent = profile(classifier, texts[NEWS])
    less = precisions(classifier, labelled, news.some(np.arange(LABELS, LABELS + DECISIONS)))
    text = "\n".join(
        [
            *_head(classifier),
            *_answered(answered, shares),
            *_published(published_s),
            *_shares(shares, spent),
            *_precisions(less),
        ]
    )
    print(text)
    TABLE.write_text(text, encoding="utf-8")


def _trained(labelled: Targets, folder: ProjectFolder) -> tuple[TextClassifier, Path]:
    """Train the project's classifier and put it in use; returns it with its version's folder."""
    config = TrainingConfig()
    trained = train(TrainingData(labelled), config)
    version = folder.registry.write(trained, labelled, config)
    folder.registry.point(version.number)
    return trained.classifier, version.folder


def _head(classifier: TextClassifier) -> list[str]:
    bf16 = "multiplies" if classifier.encoder.is_mixed_faster else "does not multiply"
    return [
        "# Speed",
        "",
        f'`make bench ARGS="speed --data FOLDER"` on {described("torch", "transformers", "numpy")}; the processor '
        f"{bf16} bf16 itself. The classifier: `auto` on {LABELS} labels of {NEWS}, or for shares of the peak of the "
        f"same set, the bundled encoder. What is compared was measured in turn, {REPETITIONS} times; medians.",
        "",
    ]


def _answered(answered: Sequence[Answered], shares: Sequence[Share]) -> list[str]:
    peak = {share.name: share for share in shares if share.is_mixed and share.threads == available_cores()}
    rows = (
        f"| {one.name} | {one.pipeline:,.0f} | {one.predict:,.0f} | {one.predict / one.pipeline:.1f} "
        f"| {peak[one.name].texts_per_s / peak[one.name].of_peak / one.pipeline:.1f} | {one.published:,.0f} "
        f"| {one.published / one.pipeline:,.0f} |"
        for one in answered
    )
    return [
        "## /predict",
        "",
        f"Texts a second: {REQUEST_TASKS:,} tasks in one request to a running `serve` on loopback, without a round. "
        'The pipeline is transformers\' `pipeline("text-classification")(texts)`, as the public bert_classifier '
        "example calls it: one text at a time, fp32, as many threads as cores, in this process, without HTTP. It has "
        "the same encoder's weights under a head of its own: other answers, the same work.",
        "",
        "| texts | pipeline | by the model | times | at the matmul peak, times | from the published order | times |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
        "`At the matmul peak` is the bound: what would come of scoring that were nothing but large matrix products, in "
        "bf16 where the processor multiplies it itself. The aim is 10 times. What Label Studio asks for is mostly "
        "published, and costs no model.",
        "",
    ]


def _published(seconds: Sequence[float]) -> list[str]:
    return [
        f"One request for {PUBLISHED_TASKS:,} published tasks takes {statistics.median(seconds):.1f} s "
        f"({min(seconds):.1f} to {max(seconds):.1f}); the aim is less than 5 s.",
        "",
    ]


def _shares(shares: Sequence[Share], spent: Sequence[tuple[str, float]]) -> list[str]:
    rows = (
        f"| {share.name} | {'bf16' if share.is_mixed else 'fp32'} | {share.threads} | {share.texts_per_s:,.0f} "
        f"| {share.gflops:.0f} | {share.peak_gflops:.0f} | {share.of_peak:.0%} | {share.tokenizing:.1%} |"
        for share in shares
    )
    operations = ", ".join(f"{name} {share:.0%}" for name, share in spent[:PROFILED_OPERATIONS])
    return [
        "## Share of the matmul peak",
        "",
        f"{SCORED:,} texts of a set. Pools and `/predict` are scored as in the lines with bf16, near ties in fp32 "
        "included; trainings embed in fp32. GFLOP/s count the encoder's matrix products over real tokens alone; the "
        "peak is that of square matrices of 2,048, same type, threads and run. The aim is 60 %.",
        "",
        "| texts | type | threads | texts/s | GFLOP/s | peak GFLOP/s | share | tokenising, of the time |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        f"Where the time goes ({NEWS}, bf16): {operations}.",
        "",
    ]


def _precisions(less: Sequence[Precision]) -> list[str]:
    rows = (
        f"| {one.name} | {'' if one.times_as_fast is None else f'{one.times_as_fast:.2f}'} | {one.agreeing:.2%} "
        f"| {one.furthest:.4f} |"
        for one in less
    )
    return [
        "## Less precision",
        "",
        f"{DECISIONS:,} texts of {NEWS}, against fp32 by the same classifier, and by one whose head was fitted anew "
        f"with {NEW_LABELS} labels more. The aim is the same class for 99.9 %.",
        "",
        "| embeddings | times as fast | same class | largest difference of a probability |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
