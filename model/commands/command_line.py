"""Command line: strategies, simulate, prompt, parse."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from model.commands.llm import parse, prompt
from model.commands.terminal import console, errors_in_a_sentence
from model.encoder.processor import use_available_cores
from model.errors import InvalidGoldError
from model.learner.recipes import Recipe, TrainingConfig
from model.query.strategies import STRATEGIES, find_start, find_strategy
from model.simulation.gold import read_gold
from model.simulation.learning_curves import Point, curves, full_pool_accuracy, recommend
from model.simulation.llm_from_environment import ask_llm_from
from model.simulation.report import table_rows, write_report
from model.simulation.simulate import TEST_SHARE, Key, Setup, Simulation, check_budgets, fingerprint, key_of, no_llm
from model.simulation.simulate import simulate as run
from model.tasks.label_names import check_described, read_descriptions
from model.tasks.label_names import label_texts as label_texts_of
from model.types import LabelTexts, Targets

BASELINE, DEFAULT = "random", "hybrid"
BUDGETS = (16, 32, 64, 128, 256, 512)
# Without a word from the user: the default, what it is made of, and the baseline.
STARTING_FIELD = (BASELINE, DEFAULT, "maxherding", "margin", "badge")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Shortlist's learning, without Label Studio: which query strategy suits your texts?",
)
app.command()(prompt)
app.command()(parse)


@app.command()
def strategies() -> None:
    """Name every query strategy, one a line."""
    for name in STRATEGIES:
        print(name)


@app.command()
def simulate(
    data: Annotated[
        Path | None, typer.Option(help='Texts to choose from: JSON lines of {"text", "label"} or {"text", "labels"}.')
    ] = None,
    project: Annotated[
        int, typer.Option(help="Use the annotations of this Label Studio project instead of --data.")
    ] = 0,
    test: Annotated[
        Path | None,
        typer.Option(help=f"Held-out texts; default: {TEST_SHARE:.0%} of the data, others for each seed."),
    ] = None,
    strategy: Annotated[
        list[str] | None, typer.Option(help=f"May be given several times; default: {', '.join(STARTING_FIELD)}.")
    ] = None,
    budget: Annotated[str, typer.Option(help="Label counts to stop and look at; default: 16, 32, 64 … 512.")] = "",
    seeds: Annotated[str, typer.Option(help="Each is another start; five tell more than two.")] = "0,1,2,3,4",
    out: Annotated[Path | None, typer.Option(help="Write the JSON lines here instead of to stdout.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with --out where it was cut short.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write a page with curves, table and advice here.")] = None,
    full_pool: Annotated[
        bool | None,
        typer.Option(help="Also train on the whole pool, for labels saved; default: if there is a report."),
    ] = None,
    pool: Annotated[int, typer.Option(min=0, help="Choose among so many texts, drawn for each seed; 0: all.")] = 0,
    explore: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of every batch drawn at random, as EXPLORE does.")
    ] = 0.0,
    cold_start: Annotated[
        str, typer.Option(help="What chooses before the first training; default: each strategy's own start.")
    ] = "",
    recipe: Annotated[Recipe, typer.Option(help="How the classifier is trained.")] = Recipe.AUTO,
    encoder: Annotated[str, typer.Option(envvar="BERT_MODEL", help="A Hugging Face encoder; default: bundled.")] = "",
    names: Annotated[
        bool, typer.Option("--names/--no-names", help="Learn from what the labels are called, as NAMES does.")
    ] = True,
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled/--no-unlabelled", help="Learn from texts without a label, as POOL does.")
    ] = True,
    describe: Annotated[
        Path | None, typer.Option(help='What labels mean, where their names say too little: JSON, {"label": "text"}.')
    ] = None,
    about: Annotated[
        str,
        typer.Option(help="What the labels are about: the classifier reads it with their names, and an LLM is told."),
    ] = "",
    llm_memory: Annotated[
        Path, typer.Option(help="Where an LLM's answers are kept, so that the same question is paid for once.")
    ] = Path("llm-answers"),
) -> None:
    """Label by each strategy in turn, with gold labels for people, and say which classifier learns the most."""
    with errors_in_a_sentence():
        chosen = [find_strategy(name) for name in dict.fromkeys(strategy or STARTING_FIELD)]
        all_seeds = _numbers("--seeds", seeds)
        use_available_cores()
        config = TrainingConfig(recipe=recipe, encoder=encoder)
        start = cold_start and find_start(cold_start).name
        asks_llm = any(find_strategy(name).asks_llm for name in (*(one.name for one in chosen), start) if name)
        ask_llm = ask_llm_from(os.environ, llm_memory, _title(data, project), about) if asks_llm else no_llm
        gold, held_out = _read(data, project, test)
        label_texts = _label_texts(gold, describe, about) if names else ()
        setup = Setup(gold, held_out, config, explore, start, pool, ask_llm, label_texts, unlabelled)
        budgets = _numbers("--budget", budget) if budget else _default_budgets(setup)
        check_budgets(budgets, len(Simulation(setup, all_seeds[0]).pool))
        for file in filter(None, (out, report)):
            file.parent.mkdir(parents=True, exist_ok=True)
        is_full = report is not None if full_pool is None else full_pool
        with _lines_file(out, fingerprint(setup, budgets), resume=resume) as (lines, known):
            measured = run(setup, chosen, budgets, all_seeds, known, is_full=is_full)
            with _progress(len(chosen) * len(all_seeds) * len(budgets) + is_full) as progress:
                points = list(_write_new(measured, known, lines, progress))
        _print_result(points)
        if report is not None:
            is_multilabel = setup.gold.label_set.is_multilabel
            title = _title(data, project)
            write_report(report, points, title=title, command=_command(), is_multilabel=is_multilabel)
            console.print(f"Wrote {report}", soft_wrap=True)


def _label_texts(gold: Targets, describe: Path | None, about: str) -> LabelTexts:
    """What labels mean: what they are called, or what a file says of them."""
    labels = gold.label_set.labels
    descriptions = read_descriptions(describe) if describe is not None else {}
    check_described(labels, descriptions)
    return label_texts_of(labels, descriptions, about)


def _write_new(points: Iterable[Point], known: Collection[Key], lines: TextIO, progress: Progress) -> Iterator[Point]:
    """Write each point that is not known at once, so that nothing measured is lost."""
    task = progress.task_ids[0]
    for point in points:
        if key_of(point) not in known:
            print(json.dumps(asdict(point)), file=lines, flush=True)
        progress.update(task, advance=1, description=f"seed {point.seed}, {point.strategy}")
        yield point


def _read(data: Path | None, project: int, test: Path | None) -> tuple[Targets, Targets | None]:
    """Gold labels to choose from, and those held out, if there are any of their own."""
    if (data is None) == (not project):
        raise InvalidGoldError("say whose labels to use: --data FILE or --project ID, one of them")
    if data is not None:
        return _read_files(data, test)
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / f"annotations-of-project-{project}.jsonl"
        # The learning knows nothing of Label Studio: whoever does hands it a file.
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


def _default_budgets(setup: Setup) -> list[int]:
    pool_size = len(Simulation(setup, 0).pool)
    fitting = [budget for budget in BUDGETS if budget <= pool_size]
    if not fitting:
        raise InvalidGoldError(f"the pool has {pool_size} texts: {BUDGETS[0]} are needed, or say --budget")
    return fitting


def _numbers(option: str, text: str) -> list[int]:
    try:
        numbers = list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError as error:
        raise InvalidGoldError(f"{option} takes whole numbers with commas between them, not {text!r}") from error
    if min(numbers) < 0:
        raise InvalidGoldError(f"{option} takes numbers from 0 on, not {text!r}")
    return numbers


@contextmanager
def _lines_file(out: Path | None, setup: dict[str, Any], *, resume: bool) -> Iterator[tuple[TextIO, dict[Key, Point]]]:
    """Where lines go, and what an earlier run of the same set-up measured."""
    if out is None:
        yield sys.stdout, {}
        return
    beside = out.with_name(f"{out.name}.setup.json")
    known: dict[Key, Point] = {}
    if out.exists() and out.stat().st_size:
        if not resume:
            raise InvalidGoldError(f"{out} has lines already: name another file, or --resume to go on with that run")
        if json.loads(beside.read_text(encoding="utf-8")) != setup:
            raise InvalidGoldError(
                f"{out} was measured on other data or with other options ({beside.name}): name another file"
            )
        known = {key_of(point): point for point in _read_points(out)}
    beside.write_text(json.dumps(setup, indent=1) + "\n", encoding="utf-8")
    with out.open("a", encoding="utf-8") as file:
        yield file, known


def _read_points(out: Path) -> Iterator[Point]:
    """What an earlier run measured; a last line that a killed run left without an end is cut off."""
    whole, _, torn = out.read_text(encoding="utf-8").rpartition("\n")
    if torn:
        out.write_text(f"{whole}\n" if whole else "", encoding="utf-8")
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            yield Point(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise InvalidGoldError(f"{out}, line {number} is not from a simulation ({error})") from error


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


def _title(data: Path | None, project: int) -> str:
    return f"Label Studio project {project}" if data is None else str(data)


def _command() -> str:
    return shlex.join(["python", "-m", "model", *sys.argv[1:]])
