"""Every command: its help, its exit codes, JSON where it prints a result, and how a shell completes it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from backend.commands.command_line import COMMANDS, command_line, main
from tests.compose import ROOT

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
        ("apply", "--project", "1", "--dry-run", "--undo"),
        ("apply", "--project", "1", "--dry-run", "--sample", "30"),
        ("apply", "--project", "1", "--undo", "--sample", "30"),
        ("find", "--project", "1", "refund", "--like", "3"),
        ("find", "--project", "1", "--end", "--dry-run"),
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


def completed(capsys, monkeypatch, *words: str) -> list[str]:
    """What bash is told when somebody presses the tabulator behind these words; the last may be unfinished."""
    asked = {"_SHORTLIST_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match="0"):
        main(is_program=True)
    return capsys.readouterr().out.split()


def test_a_shell_completes_commands_their_options_and_the_projects_here(capsys, monkeypatch, tmp_path):
    for project in (3, 12, 117):
        (tmp_path / "projects" / str(project)).mkdir(parents=True)
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    assert completed(capsys, monkeypatch, "shortlist", "") == list(COMMANDS)
    assert completed(capsys, monkeypatch, "shortlist", "export") == ["export", "export-model"]
    options = completed(capsys, monkeypatch, "shortlist", "promote", "--")
    assert {"--project", "--version", "--json"} <= set(options)
    assert completed(capsys, monkeypatch, "shortlist", "promote", "--project", "") == ["3", "12", "117"]
    assert completed(capsys, monkeypatch, "shortlist", "promote", "--project", "1") == ["12", "117"]


def test_a_wrong_setting_completes_no_project_and_breaks_nothing(capsys, monkeypatch):
    monkeypatch.setenv("STRATEGY", "no such strategy")
    assert completed(capsys, monkeypatch, "shortlist", "promote", "--project", "") == []


def test_bash_takes_the_completion_that_the_program_shows(tmp_path):
    # The program as `make` leaves it: in a folder with the packages and their environment.
    shutil.copy(ROOT / "shortlist", tmp_path / "shortlist")
    for name, place in (("backend", ROOT / "backend"), ("model", ROOT / "model"), (".venv", Path(sys.prefix))):
        (tmp_path / name).symlink_to(place)
    script = (
        "set -e; shortlist --show-completion > completion.sh; source completion.sh; complete -p shortlist;"
        'COMP_WORDS=(shortlist exp); COMP_CWORD=1; _shortlist_completion shortlist; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    (tmp_path / "elsewhere").mkdir()
    ended = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path / "elsewhere", env=environment, capture_output=True, text=True, check=False
    )
    assert ended.stdout.splitlines() == [
        "complete -o default -F _shortlist_completion shortlist",
        "export export-model",
    ]


def test_commands_do_not_wait_for_libraries_that_they_do_without():
    """Each takes seconds. `serve` only watches processes, completion names commands, and `connect` reads no text."""
    program = (
        "import sys\nfrom backend.commands.command_line import command_line\n"
        "command_line('', is_program=True, is_completing=True)\n"
        "for command in ('serve', 'connect'):\n"
        "    command_line(command)\n"
        "    print(*(name for name in ('torch', 'sklearn', 'transformers') if name in sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "\ntorch\n"
