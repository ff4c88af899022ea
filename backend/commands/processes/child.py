"""A process of ours that is kept alive."""

import ctypes
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

STOP_TIMEOUT_S = 10.0
_RESTART_DELAY_S = 1.0
_PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


class Child:
    """A process of ours that is kept alive.

    Args:
        name: for the log.
        command: what to run.
        environment: all of its environment.
    """

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        self._name = name
        self._command = command
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, in a process group of its own: Ctrl-C reaches us alone, and we stop children in order."""
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            self._command,
            env=self._environment,
            start_new_session=True,
            preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads yet
        )
        log.info("event=started child=%s pid=%d", self._name, self._process.pid)

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def restart_if_dead(self) -> None:
        """Start it again if it ended, after a breath."""
        if self._process is not None and self._process.poll() is not None:
            log.error("event=died child=%s code=%s", self._name, self._process.returncode)
            time.sleep(_RESTART_DELAY_S)
            self.start()

    def stop(self) -> None:
        """Ask it to end; insist after a while."""
        if self._process is None or not self.is_alive():
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # A training goes on for minutes; a killed round is simply run again.
            self._process.kill()
            self._process.wait()


def end_with_parent() -> None:
    """Have Linux end the child when we are killed: an orphaned Redis would keep the next `serve` from its folder."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
