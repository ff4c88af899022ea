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


def test_serve_which_only_watches_other_processes_does_not_wait_for_torch():
    program = (
        "import sys\nfrom backend.commands.command_line import command_line\n"
        "command_line('serve')\nprint('torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
