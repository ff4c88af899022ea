"""Command line: strategies, simulate, prompt, parse."""

import json
from typing import Annotated

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
def strategies(
    *, json_out: Annotated[bool, typer.Option("--json", help="Print the names as a JSON list.")] = False
) -> None:
    """Name every query strategy, one a line."""
    print(json.dumps(list(STRATEGIES)) if json_out else "\n".join(STRATEGIES))


app.command()(simulate)
