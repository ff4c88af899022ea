"""The options of `simulate`: their types and help texts."""

from pathlib import Path
from typing import Annotated

import typer

from model.simulation.report import BASELINE, DEFAULT
from model.simulation.setup import TEST_SHARE
from model.types import Recipe

# The strategies of a simulation without --strategy: the default, its components, and the baseline.
STARTING_FIELD = (BASELINE, DEFAULT, "maxherding", "margin", "badge")

DataOption = Annotated[
    Path | None,
    typer.Option(
        help='Texts to choose from: JSON lines of {"text", "label"}, {"text", "labels"}, or {"text", "answers"} for '
        'several questions, such as {"topic": "refund", "urgency": 3}.'
    ),
]
ProjectOption = Annotated[int, typer.Option(help="Use the annotations of this Label Studio project instead of --data.")]
TestOption = Annotated[
    Path | None, typer.Option(help=f"Held-out texts; default: {TEST_SHARE:.0%} of the data, others for each seed.")
]
StrategyOption = Annotated[
    list[str] | None, typer.Option(help=f"May be given several times; default: {', '.join(STARTING_FIELD)}.")
]
BudgetOption = Annotated[str, typer.Option(help="Label counts at which to train and measure; default: 16, 32 … 512.")]
SeedsOption = Annotated[str, typer.Option(help="Random starts; more starts give narrower intervals.")]
OutOption = Annotated[Path | None, typer.Option(help="Write the JSON lines here instead of to stdout.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with an --out file that was cut short.")]
ReportOption = Annotated[Path | None, typer.Option(help="Write a page with curves, table and advice here.")]
FullPoolOption = Annotated[
    bool | None, typer.Option(help="Also train on the whole pool, to tell labels saved; default: only with --report.")
]
PoolOption = Annotated[int, typer.Option(min=0, help="Number of texts to choose from, drawn for each seed; 0: all.")]
ExploreOption = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Share of every batch drawn at random, as EXPLORE does.")
]
ColdStartOption = Annotated[
    str, typer.Option(help="The strategy before the first training; default: each strategy's own start.")
]
RecipeOption = Annotated[Recipe, typer.Option(help="How the classifier is trained.")]
EncoderOption = Annotated[str, typer.Option(envvar="BERT_MODEL", help="A Hugging Face encoder; default: bundled.")]
AskForOption = Annotated[
    list[str] | None,
    typer.Option(help="The question whose order decides, as ask_for does; may be given several times; default: all."),
]
NamesOption = Annotated[bool, typer.Option("--names/--no-names", help="Learn from label names, as NAMES does.")]
UnlabelledOption = Annotated[
    bool, typer.Option("--unlabelled/--no-unlabelled", help="Learn from unlabelled texts, as POOL does.")
]
DescribeOption = Annotated[
    Path | None, typer.Option(help='What labels mean, where their names say too little: JSON, {"label": "text"}.')
]
AboutOption = Annotated[
    str, typer.Option(help="What the labels are about: the classifier reads it with their names, and an LLM is told.")
]
LLMMemoryOption = Annotated[
    Path, typer.Option(help="Folder that keeps an LLM's answers, so that the same question is paid for once.")
]
