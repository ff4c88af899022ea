"""`python -m model`: hands over to the command line."""

from model.encoder.idle_threads import let_idle_threads_sleep

let_idle_threads_sleep()

from model.commands.command_line import app  # noqa: E402 - it imports torch, which reads the setting as it is loaded

app()
