"""`simulate`: try query strategies on gold labels, from the command line."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from model.commands.points_file import open_points
from model.commands.simulate_options import (
    STARTING_FIELD,
    AboutOption,
    AskForOption,
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
from model.simulation.gold import Gold, read_answers
from model.simulation.learning_curves import (
    Point,
    by_question,
    curves,
    full_pool_accuracy,
    mean_of_questions,
    recommend,
)
from model.simulation.llm_from_environment import ask_llm_from
from model.simulation.question import task_of
from model.simulation.report import BASELINE, DEFAULT, Heading, table_rows, write_report
from model.simulation.setup import AskLLM, Setup, check_budgets, draw_split, fingerprint, no_llm, usable
from model.simulation.simulate import simulate as run
from model.tasks.label_names import check_described, read_descriptions
from model.types import LabelTexts, Recipe

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
    ask_for: AskForOption = None,
    recipe: RecipeOption = Recipe.AUTO,
    encoder: EncoderOption = "",
    names: NamesOption = True,
    unlabelled: UnlabelledOption = True,
    describe: DescribeOption = None,
    about: AboutOption = "",
    llm_memory: LLMMemoryOption = Path("llm-answers"),
) -> None:
    """Compare query strategies on texts with known labels, and say with which one the classifier learns the most."""
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
        asked_for = tuple(dict.fromkeys(ask_for or ()))
        setup = Setup(gold, held_out, config, explore, start, pool, ask_llm, meanings, unlabelled, asked_for)
        setup, left_out = usable(setup, all_seeds)
        for reason in left_out:
            console.print(f"Left out: {escape(reason)}", soft_wrap=True)
        budgets = _numbers("--budget", budget) if budget else _usual_budgets(setup)
        check_budgets(budgets, len(draw_split(setup, all_seeds[0]).pool))
        _make_parents(out, report)
        is_full = report is not None if full_pool is None else full_pool
        with open_points(out, fingerprint(setup, budgets), resume=resume) as file:
            measured = run(setup, chosen, budgets, all_seeds, file.measured, is_full=is_full)
            total = (len(chosen) * len(all_seeds) * len(budgets) + is_full) * len(setup.gold.questions)
            points = list(_with_progress(file.write_new(measured), total))
        _print_result(points)
        _write_report(report, points, title, setup.gold)


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


def _read(data: Path | None, project: int, test: Path | None) -> tuple[Gold, Gold | None]:
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
            raise InvalidGoldError(f"the annotations of project {project} cannot be read: {reason}")
        if not exported.stat().st_size:
            raise InvalidGoldError(f"project {project} has no labelled texts yet: label some, or give --data FILE")
        return _read_files(exported, test)


def _read_files(data: Path, test: Path | None) -> tuple[Gold, Gold | None]:
    if test is None:
        return read_answers([data])[0], None
    gold, held_out = read_answers([data, test])
    return gold, held_out


def _label_texts(gold: Gold, describe: Path | None, about: str) -> tuple[LabelTexts, ...]:
    """For each question texts with each label's meaning: its name, or its description in a file."""
    tasks = [task_of(question) for question in gold.questions]
    descriptions = read_descriptions(describe) if describe is not None else {}
    check_described(list(dict.fromkeys(label for task in tasks for label in task.label_set.labels)), descriptions)
    return tuple(task.label_texts(about, descriptions) for task in tasks)


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
    """A table and advice for each question, and below for all of them together."""
    asked = by_question(points)
    for name, of_question in asked.items():
        _print_table(of_question, name)
    if len(asked) > 1:
        _print_table(mean_of_questions(points), "all questions together")


def _print_table(points: Sequence[Point], title: str) -> None:
    found = curves(points)
    # A question's name comes from a file, and rich would read "[/b]" in it as markup.
    table = Table(title=Text(title) if title else None, title_justify="left")
    rows = list(table_rows(found, BASELINE, full_pool_accuracy(points)))
    # Of stars, how far the median is off at the last budget.
    off = ["stars off at last"] if any(row.errors for row in rows) else []
    for heading in ("strategy", "area, %", f"against {BASELINE} (95 %)", "s a query", *off):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(row.name, row.area, row.ahead, row.query_s, *row.errors[-1:])
    console.print(table)
    console.print(recommend(found, BASELINE, DEFAULT), soft_wrap=True)


def _write_report(file: Path | None, points: Sequence[Point], title: str, gold: Gold) -> None:
    if file is None:
        return
    command = shlex.join(["python", "-m", "model", *sys.argv[1:]])
    rights = {question.name: link_of(question.targets.label_set).right for question in gold.questions}
    write_report(file, points, Heading(title, command, rights))
    console.print(f"Wrote {file}", soft_wrap=True)
