import subprocess
import sys

import pytest
from typer.testing import CliRunner

from backend.commands.command_line import COMMANDS, command_line


def test_help_lists_every_command():
    shown = CliRunner().invoke(command_line("--help"), ["--help"]).stdout
    assert [name for name in COMMANDS if f" {name} " not in shown] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_of_its_own(command):
    assert f" {command} [OPTIONS]" in CliRunner().invoke(command_line(command), [command, "--help"]).stdout


def test_commands_do_not_wait_for_libraries_that_they_do_without():
    """Each of these takes seconds. `serve` only watches other processes; an encoder is loaded by who reads texts."""
    program = (
        "import sys\nfrom backend.commands.command_line import command_line\n"
        "for command in ('serve', 'connect'):\n"
        "    command_line(command)\n"
        "    print(*(name for name in ('torch', 'sklearn', 'transformers') if name in sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "\ntorch\n"
