"""`simulate`: try query strategies on gold labels, from the command line."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from model.commands.points_file import open_points
from model.commands.simulate_options import (
    STARTING_FIELD,
    AboutOption,
    BudgetOption,
    ColdStartOption,
    DataOption,
    DescribeOption,
    EncoderOption,
    ExploreOption,
    FullPoolOption,
    LLMMemoryOption,
    NamesOption,
    OutOption,
    PoolOption,
    ProjectOption,
    RecipeOption,
    ReportOption,
    ResumeOption,
    SeedsOption,
    StrategyOption,
    TestOption,
    UnlabelledOption,
)
from model.commands.terminal import console, errors_in_a_sentence
from model.encoder.processor import use_available_cores
from model.errors import InvalidGoldError
from model.learner.recipes import TrainingConfig
from model.links import link_of
from model.query.strategies import find_start, find_strategy
from model.simulation.gold import read_gold
from model.simulation.learning_curves import Point, curves, full_pool_accuracy, recommend
from model.simulation.llm_from_environment import ask_llm_from
from model.simulation.report import BASELINE, DEFAULT, Heading, table_rows, write_report
from model.simulation.setup import AskLLM, Setup, check_budgets, draw_split, fingerprint, no_llm
from model.simulation.simulate import simulate as run
from model.tasks.label_names import check_described, label_texts, read_descriptions
from model.types import LabelTexts, Recipe, Targets

BUDGETS = (16, 32, 64, 128, 256, 512)


def simulate(
    data: DataOption = None,
    project: ProjectOption = 0,
    test: TestOption = None,
    strategy: StrategyOption = None,
    budget: BudgetOption = "",
    seeds: SeedsOption = "0,1,2,3,4",
    out: OutOption = None,
    resume: ResumeOption = False,
    report: ReportOption = None,
    full_pool: FullPoolOption = None,
    pool: PoolOption = 0,
    explore: ExploreOption = 0.0,
    cold_start: ColdStartOption = "",
    recipe: RecipeOption = Recipe.AUTO,
    encoder: EncoderOption = "",
    names: NamesOption = True,
    unlabelled: UnlabelledOption = True,
    describe: DescribeOption = None,
    about: AboutOption = "",
    llm_memory: LLMMemoryOption = Path("llm-answers"),
) -> None:
    """Label by each strategy in turn, with gold labels for people, and say which classifier learns the most."""
    with errors_in_a_sentence():
        chosen = [find_strategy(name) for name in dict.fromkeys(strategy or STARTING_FIELD)]
        all_seeds = _numbers("--seeds", seeds)
        use_available_cores()
        start = cold_start and find_start(cold_start).name
        title = f"Label Studio project {project}" if data is None else str(data)
        ask_llm = _ask_llm([*(one.name for one in chosen), start], llm_memory, title, about)
        gold, held_out = _read(data, project, test)
        meanings = _label_texts(gold, describe, about) if names else ()
        config = TrainingConfig(recipe=recipe, encoder=encoder)
        setup = Setup(gold, held_out, config, explore, start, pool, ask_llm, meanings, unlabelled)
        budgets = _numbers("--budget", budget) if budget else _usual_budgets(setup)
        check_budgets(budgets, len(draw_split(setup, all_seeds[0]).pool))
        _make_parents(out, report)
        is_full = report is not None if full_pool is None else full_pool
        with open_points(out, fingerprint(setup, budgets), resume=resume) as file:
            measured = run(setup, chosen, budgets, all_seeds, file.measured, is_full=is_full)
            total = len(chosen) * len(all_seeds) * len(budgets) + is_full
            points = list(_with_progress(file.write_new(measured), total))
        _print_result(points)
        _write_report(report, points, title, link_of(gold.label_set).right)


def _numbers(option: str, text: str) -> list[int]:
    try:
        numbers = list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError as error:
        raise InvalidGoldError(f"{option} takes whole numbers with commas between them, not {text!r}") from error
    if min(numbers) < 0:
        raise InvalidGoldError(f"{option} takes numbers from 0 on, not {text!r}")
    return numbers


def _ask_llm(strategies: Sequence[str], memory: Path, title: str, about: str) -> AskLLM:
    """The LLM that the environment names, if one of the strategies asks an LLM; an empty name is no strategy."""
    if any(find_strategy(name).asks_llm for name in strategies if name):
        return ask_llm_from(os.environ, memory, title, about)
    return no_llm


def _read(data: Path | None, project: int, test: Path | None) -> tuple[Targets, Targets | None]:
    """Read gold labels to choose from, and held-out ones if they have a file of their own."""
    if (data is None) == (not project):
        raise InvalidGoldError("gold labels are missing: give --data FILE or --project ID, one of them")
    if data is not None:
        return _read_files(data, test)
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / f"annotations-of-project-{project}.jsonl"
        # `model` knows nothing of Label Studio: a command of `backend` writes the annotations into a file.
        command = [sys.executable, "-m", "backend", "export", "--project", str(project), "--out", str(exported)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own program
        if ended.returncode:
            reason = (ended.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise InvalidGoldError(f"the annotations of project {project} could not be read: {reason}")
        return _read_files(exported, test)


def _read_files(data: Path, test: Path | None) -> tuple[Targets, Targets | None]:
    if test is None:
        return read_gold([data])[0], None
    gold, held_out = read_gold([data, test])
    return gold, held_out


def _label_texts(gold: Targets, describe: Path | None, about: str) -> LabelTexts:
    """Texts with each label's meaning: its name, or its description in a file."""
    labels = gold.label_set.labels
    descriptions = read_descriptions(describe) if describe is not None else {}
    check_described(labels, descriptions)
    return label_texts(labels, descriptions, about)


def _usual_budgets(setup: Setup) -> list[int]:
    """The usual budgets that the pool can fill."""
    pool_size = len(draw_split(setup, 0).pool)
    budgets = [budget for budget in BUDGETS if budget <= pool_size]
    if not budgets:
        raise InvalidGoldError(f"the pool has {pool_size} texts: {BUDGETS[0]} are needed, or say --budget")
    return budgets


def _make_parents(*files: Path | None) -> None:
    """Make the folders of output files, so that a folder that cannot be made is known before anything is measured."""
    for file in filter(None, files):
        file.parent.mkdir(parents=True, exist_ok=True)


def _with_progress(points: Iterator[Point], total: int) -> Iterator[Point]:
    """Show progress on the terminal while points come."""
    with _progress(total) as progress:
        for point in points:
            progress.update(progress.task_ids[0], advance=1, description=f"seed {point.seed}, {point.strategy}")
            yield point


@contextmanager
def _progress(total: int) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        progress.add_task("starting", total=total)
        yield progress


def _print_result(points: Sequence[Point]) -> None:
    found = curves(points)
    table = Table()
    for heading in ("strategy", "area, %", f"against {BASELINE} (95 %)", "s a query"):
        table.add_column(heading, no_wrap=True)
    for row in table_rows(found, BASELINE, full_pool_accuracy(points)):
        table.add_row(row.name, row.area, row.ahead, row.query_s)
    console.print(table)
    console.print(recommend(found, BASELINE, DEFAULT), soft_wrap=True)


def _write_report(file: Path | None, points: Sequence[Point], title: str, right: str) -> None:
    if file is None:
        return
    command = shlex.join(["python", "-m", "model", *sys.argv[1:]])
    write_report(file, points, Heading(title, command, right))
    console.print(f"Wrote {file}", soft_wrap=True)
