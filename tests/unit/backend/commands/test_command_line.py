"""Every command: its help, its exit codes, and JSON where it prints a result."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner, Result

from backend.commands.command_line import COMMANDS, command_line

# What each command needs, so that nothing is missing.
NEEDED = {
    **dict.fromkeys(("connect", "rollback", "promote", "prompt", "paste", "forget", "apply"), ("--project", "1")),
    "export": ("--project", "1", "--out", "gold.jsonl"),
    "export-model": ("--project", "1", "--out", "model"),
    "classify": ("--project", "1", "--in", "texts.csv", "--out", "answers.csv"),
    "restore": ("backup.zip",),
    "find": ("--project", "1", "refund"),
}
# They run until somebody ends them, and tell what happens in their log.
ENDLESS = ("serve", "worker")


def test_help_lists_every_command():
    shown = CliRunner().invoke(command_line("--help"), ["--help"]).stdout
    assert [name for name in COMMANDS if f" {name} " not in shown] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_of_its_own(command):
    assert f" {command} [OPTIONS]" in CliRunner().invoke(command_line(command), [command, "--help"]).stdout


def run(command: str, *words: str, **environment: str) -> Result:
    return CliRunner().invoke(command_line(command), [command, *words], env=environment)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_exit_code_says_whether_it_is_done_failed_or_was_called_wrongly(command):
    assert run(command, "--help").exit_code == 0
    wrong = run(command, *NEEDED.get(command, ()), "--no-such-option")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    as_json = () if command in ENDLESS else ("--json",)
    failed = run(command, *NEEDED.get(command, ()), *as_json, STRATEGY="no such strategy")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert failed.stderr.startswith("configuration: ")


@pytest.mark.parametrize("command", [name for name in COMMANDS if NEEDED.get(name)])
def test_a_command_that_lacks_what_it_needs_is_called_wrongly(command):
    assert run(command).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("no-such-command",),
        ("apply", "--project", "1", "--precision", "7"),
        ("find", "--project", "1"),
        ("find", "--project", "1", "refund", "--like", "3"),
        ("status", "5"),
        ("status", "--watch", "0"),
        ("rollback", "--project", "one"),
    ],
)
def test_options_that_cannot_be_meant_are_called_wrongly(words):
    done = run(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_somebody_interrupts_says_so_by_130(command, monkeypatch):
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("backend.commands.terminal.load_settings", interrupt)
    done = run(command, *NEEDED.get(command, ()))
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ENDLESS])
def test_every_command_with_a_result_prints_it_as_json_on_demand(command):
    assert "--json" in run(command, "--help").stdout


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
