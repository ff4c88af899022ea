"""Command line: strategies, simulate, prompt, parse."""

import typer

from model.commands.llm import parse, prompt
from model.commands.simulate import simulate
from model.query.strategies import STRATEGIES

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


app.command()(simulate)
