"""`python -m backend`: hands over to the command line."""

from backend.commands.command_line import main

main()
