"""`python -m model`: hands over to the command line."""

from model.commands.command_line import app

app()
