import os
import subprocess
import sys

import pytest

from model.encoder.idle_threads import WAIT_POLICY, let_idle_threads_sleep

# Printed before torch is imported: afterwards torch would no longer read the setting.
SAY_WHEN_TORCH_COMES = """
import os, runpy, sys
class Say:
    def find_spec(self, name, *_):
        if name == "torch":
            print(os.environ.get("OMP_WAIT_POLICY"))
            sys.exit()
sys.meta_path.insert(0, Say())
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("program", [["backend", "worker"], ["backend", "classify", "--help"], ["model", "strategies"]])
@pytest.mark.parametrize(("chosen", "read"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_torch_finds_that_idle_threads_sleep_in_every_program_unless_the_user_chose(program, chosen, read):
    environment = {name: value for name, value in os.environ.items() if name != WAIT_POLICY}
    environment |= {WAIT_POLICY: chosen} if chosen else {}
    command = [sys.executable, "-c", SAY_WHEN_TORCH_COMES, *program]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.stdout == f"{read}\n", ended.stderr


def test_processes_that_are_started_later_inherit_it(monkeypatch):
    monkeypatch.delenv(WAIT_POLICY, raising=False)
    let_idle_threads_sleep()
    child = subprocess.run(
        [sys.executable, "-c", f"import os; print(os.environ['{WAIT_POLICY}'])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout == "PASSIVE\n"
