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


@pytest.mark.parametrize("command", ["serve", "connect"])
def test_a_command_that_needs_no_torch_does_not_wait_for_it(command):
    program = (
        "import sys\nfrom backend.commands.command_line import command_line\n"
        f"command_line({command!r})\nprint('torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
