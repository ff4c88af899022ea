"""A gunicorn worker whose HTTP server is waitress: a client that sends or reads slowly takes no thread from others.

gunicorn's own threads read requests themselves, so that as many half-sent requests as there are threads stop a server.
waitress reads requests and writes answers in one loop, large ones through temporary files, and hands only whole
requests to threads.
"""

import os
from typing import Any

from gunicorn.workers.base import Worker
from waitress.wasyncore import loop

from backend.web.entrance.receiving import open_server

# How often the process tells gunicorn that it lives, when nothing happens.
_BEAT_S = 1.0


class WaitressWorker(Worker):  # type: ignore[misc]
    """One process: waitress on the sockets that gunicorn opened, as many threads as gunicorn was told."""

    def run(self) -> None:
        """Serve until gunicorn says stop or is gone; requests that are being answered end first."""
        connections: dict[int, Any] = {}
        listening = [listener.sock for listener in self.sockets]
        server = open_server(self.wsgi, listening, self.cfg.threads, connections)
        while self.alive and self.ppid == os.getppid():
            self.notify()
            loop(timeout=_BEAT_S, use_poll=True, map=connections, count=1)
        server.task_dispatcher.shutdown(timeout=self.cfg.graceful_timeout)
        server.close()
