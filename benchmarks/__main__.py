"""`make bench`: every measurement of this folder as a command."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import house, load
from benchmarks.choosing import coverage, finding, large_pool, order, queries, several_questions, strategies
from benchmarks.learning import (
    applying,
    busy,
    encoders,
    learner,
    names,
    questions,
    stopping,
    stopping_table,
    suspects,
)
from benchmarks.llm import llm
from benchmarks.llm import table as llm_table
from benchmarks.loop import loop, workers
from benchmarks.loop import plan as loop_plan
from benchmarks.speed import speed
from model.encoder.processor import use_available_cores
from model.query.strategies import STRATEGIES, find_strategy
from model.types import Recipe

# Benchmarks must be repeatable without a paid LLM.
WITHOUT_LLM = [name for name, strategy in STRATEGIES.items() if not strategy.asks_llm]

# `make bench` installs it here.
LABEL_STUDIO = Path(".venv-label-studio/bin/label-studio")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Data = Annotated[
    Path, typer.Option(help="A folder of sets, each with train.jsonl.gz and test.jsonl.gz: text and label.")
]
Sets = Annotated[list[str], typer.Option("--set", help="Which of them; may be given several times.")]


@app.command("order")
def measure_order() -> None:
    """What the order is worth, on the example data: a few minutes."""
    order.run()


@app.command("learner")
def measure_learner(
    data: Data,
    sets: Sets = list(learner.SETS),  # noqa: B006 - typer wants a list, and nobody changes it
    labels: Annotated[list[int], typer.Option(help="Label counts.")] = list(learner.BUDGETS),  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Random draws of each.")] = learner.SEEDS,
) -> None:
    """Every recipe on random labels: hours on two cores; goes on where it was cut short."""
    use_available_cores()
    learner.run(data, sets, labels, range(seeds), learner.RECIPES)
    learner.write_table()


@app.command("house")
def measure_house(
    roots: Annotated[list[Path], typer.Option("--root", help="Checkouts to put side by side.")] = [Path()],  # noqa: B006
) -> None:
    """Figures about the code itself: files a folder, parameters, long functions, cycles; seconds."""
    house.report(Console(), [root.resolve() for root in roots])


@app.command("names")
def measure_names(
    data: Data,
    sets: Sets = list(learner.SETS),  # noqa: B006
    labels: Annotated[list[int], typer.Option(help="Label counts.")] = list(names.BUDGETS),  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Random draws of each.")] = learner.SEEDS,
    variants: Annotated[list[str], typer.Option("--variant", help="names or opaque.")] = list(names.VARIANTS),  # noqa: B006
) -> None:
    """The shipped learner with label names and with opaque ones: two hours on two cores; goes on where it was."""
    use_available_cores()
    names.run(data, sets, labels, range(seeds), variants)
    names.write_table()


@app.command("questions")
def measure_questions(
    data: Annotated[Path, typer.Option(help="A folder with the sets stars and taxonomy, in the form of the others.")],
    kinds: Annotated[list[str], typer.Option("--kind", help="Which of them.")] = list(questions.KINDS),  # noqa: B006
    labels: Annotated[list[int], typer.Option(help="Label counts.")] = list(questions.BUDGETS),  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Random draws of each.")] = learner.SEEDS,
    recipe: Annotated[Recipe, typer.Option(help="The learner.")] = Recipe.AUTO,
) -> None:
    """Stars by their median, taxonomies beside choices: an hour, minutes with --recipe head; goes on where it was."""
    use_available_cores()
    questions.run(data, kinds, labels, range(seeds), recipe)
    questions.write_table()


@app.command("coverage")
def measure_coverage(
    data: Data,
    sets: Sets = list(coverage.SETS),  # noqa: B006
    seeds: Annotated[list[int], typer.Option("--seed", help="Which pools.")] = list(strategies.SEEDS),  # noqa: B006
) -> None:
    """The first texts of an order where nothing is learned, beside random ones: ten minutes; goes on where it was."""
    use_available_cores()
    coverage.run(data, sets, seeds)
    coverage.write_table()


@app.command("several-questions")
def measure_several_questions(
    data: Annotated[Path, typer.Option(help="A folder of sets as of the others, whose lines have `answers`.")],
    seeds: Annotated[list[int], typer.Option("--seed", help="Which starts.")] = list(strategies.SEEDS),  # noqa: B006
    recipe: Annotated[Recipe, typer.Option(help="The learner.")] = Recipe.HEAD,
) -> None:
    """How the orders of two questions become one: half an hour with the head alone; goes on where it was."""
    use_available_cores()
    several_questions.run(data, seeds, recipe)
    several_questions.write_table()


@app.command("suspects")
def measure_suspects(
    data: Data,
    sets: Sets = list(suspects.SETS),  # noqa: B006
    labels: Annotated[int, typer.Option(help="Labels, some of which are flipped.")] = suspects.LABELS,
    seeds: Annotated[int, typer.Option(help="Random draws of each.")] = suspects.SEEDS,
    recipe: Annotated[Recipe, typer.Option(help="The learner.")] = Recipe.AUTO,
) -> None:
    """How many of the first labels that look wrong are: minutes with --recipe head; goes on where it was."""
    use_available_cores()
    suspects.run(data, sets, labels, range(seeds), recipe)
    suspects.write_table()


@app.command("stopping")
def measure_stopping(
    data: Data,
    sets: Sets = list(stopping.SETS),  # noqa: B006
    seeds: Annotated[list[int], typer.Option("--seed", help="Which starts.")] = list(stopping.SEEDS),  # noqa: B006
    recipe: Annotated[Recipe, typer.Option(help="The learner.")] = Recipe.HEAD,
) -> None:
    """When the advice says that labels are enough: minutes with the head, a day with BERT; goes on where it was."""
    use_available_cores()
    stopping.run(data, sets, seeds, recipe)
    stopping_table.write_table()


@app.command("apply")
def measure_apply(
    data: Data,
    sets: Sets = list(learner.SETS),  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Random draws of each.")] = applying.SEEDS,
) -> None:
    """What `apply` promises and what comes of it: half an hour on a core; goes on where it was cut short."""
    use_available_cores()
    applying.run(data, sets, range(seeds))
    applying.write_table()


@app.command("encoders")
def measure_encoders(
    data: Data,
    sets: Sets = list(learner.SETS),  # noqa: B006
    others: Annotated[
        list[str], typer.Option("--encoder", help="A Hugging Face name or a folder, beside the bundled encoder.")
    ] = [],  # noqa: B006
) -> None:
    """Classifiers on other encoders than the bundled one: an hour for one of 110 million parameters."""
    use_available_cores()
    encoders.run(data, sets, others)
    encoders.write_table()


@app.command("find")
def measure_find(data: Data, sets: Sets = ["banking77"]) -> None:  # noqa: B006
    """How many texts of a rare label `find` puts first: a minute."""
    use_available_cores()
    finding.run(data, sets)


@app.command("strategies")
def measure_strategies(
    data: Data,
    sets: Sets = list(strategies.SETS),  # noqa: B006
    chosen: Annotated[list[str], typer.Option("--strategy", help="Which ones.")] = WITHOUT_LLM,
    labels: Annotated[list[int], typer.Option(help="Label counts.")] = list(strategies.BUDGETS),  # noqa: B006
    seeds: Annotated[list[int], typer.Option("--seed", help="Which starts.")] = list(strategies.SEEDS),  # noqa: B006
    recipe: Annotated[Recipe, typer.Option(help="The learner.")] = Recipe.AUTO,
) -> None:
    """Every query strategy against random: a day on two cores, minutes with --recipe head; goes on where it was."""
    use_available_cores()
    strategies.run(data, sets, [find_strategy(name) for name in chosen], labels, seeds, recipe)
    strategies.write_table()


@app.command("llm")
def measure_llm(
    data: Annotated[
        Path, typer.Option(help="The study's records: answers.jsonl, sst2_gold.jsonl.gz, sst2_dev.jsonl.gz.")
    ],
    choosers: Annotated[list[str], typer.Option("--chooser", help="Whose picks.")] = list(llm.CHOOSERS),  # noqa: B006
    shuffles: Annotated[int, typer.Option(help="Choices of each in every pool.")] = llm.SHUFFLES,
    draws: Annotated[int, typer.Option(help="Random draws in every pool.")] = llm.DRAWS,
    recipe: Annotated[Recipe, typer.Option(help="The learner.")] = Recipe.AUTO,
) -> None:
    """What an LLM's picks are worth: hours on two cores, a minute with --recipe head; goes on where it was."""
    use_available_cores()
    llm.run(data, choosers, shuffles, draws, recipe)
    llm_table.write_table(data)


@app.command("queries")
def measure_queries() -> None:
    """What one query takes, by pool size: a few minutes."""
    use_available_cores()
    queries.run()


@app.command("large-pool")
def measure_large_pool() -> None:
    """What ordering a pool of a million takes, once it is embedded: a few minutes, and 1 GB of disk."""
    large_pool.run()


@app.command("seconds")
def measure_seconds(data: Data, sets: Sets = list(learner.SETS)) -> None:  # noqa: B006
    """What a training takes, on idle cores: minutes."""
    use_available_cores()
    learner.run_seconds(data, sets)
    learner.write_table()


@app.command("loop")
def measure_loop(
    data: Data,
    label_studio: Annotated[Path, typer.Option(help="The label-studio program.")] = LABEL_STUDIO,
    parts: Annotated[list[loop_plan.Part], typer.Option("--part", help="Which parts.")] = list(loop_plan.Part),  # noqa: B006
    pools: Annotated[list[int], typer.Option("--pool", help="Tasks of a project.")] = list(loop_plan.POOLS),  # noqa: B006
    labels: Annotated[int, typer.Option(help="How many of them have a label.")] = loop_plan.LABELS,
    annotations: Annotated[int, typer.Option(help="Labels given one by one.")] = loop_plan.ANNOTATIONS,
    annotators: Annotated[int, typer.Option(help="People who label while BERT trains.")] = loop_plan.ANNOTATORS,
    training_labels: Annotated[int, typer.Option(help="Labels of that training.")] = loop_plan.TRAINING_LABELS,
) -> None:
    """A full round, an order after each label, webhooks under training, on a real Label Studio: half an hour."""
    plan = loop_plan.Plan(tuple(parts), tuple(pools), labels, annotations, annotators, training_labels)
    if not loop.run(plan, data, label_studio, Console()):
        raise typer.Exit(1)


@app.command("load")
def measure_load(
    data: Data,
    label_studio: Annotated[Path, typer.Option(help="The label-studio program.")] = LABEL_STUDIO,
    people: Annotated[int, typer.Option(help="How many label at once.")] = load.PEOPLE,
    minutes: Annotated[float, typer.Option(help="How long they label each project.")] = load.MINUTES,
    texts: Annotated[int, typer.Option(help="Tasks of each project.")] = load.TEXTS,
    parts: Annotated[list[str], typer.Option("--part", help="Which projects.")] = list(load.PARTS),  # noqa: B006
) -> None:
    """Fifty people who label at once, with the backend and without it, on a real Label Studio: half an hour.

    Label Studio uses SQLite, or the empty PostgreSQL database that its variables name: DJANGO_DB=default, POSTGRE_HOST,
    POSTGRE_PORT, POSTGRE_NAME, POSTGRE_USER, POSTGRE_PASSWORD.
    """
    if not load.run(load.Plan(people, minutes, texts), parts, data, label_studio, Console()):
        raise typer.Exit(1)


@app.command("speed")
def measure_speed(data: Data) -> None:
    """/predict against a pipeline, scoring against the matmul peak, and less precision: ten minutes on idle cores."""
    speed.run(data)


@app.command("busy")
def measure_busy(data: Data) -> None:
    """A training beside two busy programs against the same training alone: five minutes on idle cores."""
    if not busy.run(data, Console()):
        raise typer.Exit(1)


@app.command("workers")
def measure_workers(data: Data) -> None:
    """Two workers against one over the same pool: ten minutes on two idle cores."""
    workers.run(data)


@app.command("table")
def write_table() -> None:
    """Write learner.md from what was measured, which the setfit package's run adds to."""
    learner.write_table()


if __name__ == "__main__":
    app()
