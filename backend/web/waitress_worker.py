"""A gunicorn worker whose HTTP server is waitress: a client that sends or reads slowly takes no thread from others.

gunicorn's own threads read requests themselves, so that as many half-sent requests as there are threads stop a server.
waitress reads requests and writes answers in one loop, large ones through temporary files, and hands only whole
requests to threads.
"""

import os
from typing import Any

from gunicorn.workers.base import Worker
from waitress import create_server
from waitress.wasyncore import loop

# How long a connection may say nothing. Clients that come back every few seconds keep their connection.
SILENT_S = 75
# Open connections of a process; others wait until one ends.
MOST_CONNECTIONS = 900
# How often the process tells gunicorn that it lives, when nothing happens.
_BEAT_S = 1.0


class WaitressWorker(Worker):  # type: ignore[misc]
    """One process: waitress on the sockets that gunicorn opened, as many threads as gunicorn was told."""

    def run(self) -> None:
        """Serve until gunicorn says stop or is gone; requests that are being answered end first."""
        connections: dict[int, Any] = {}
        server = create_server(
            self.wsgi,
            map=connections,
            sockets=[listener.sock for listener in self.sockets],
            threads=self.cfg.threads,
            channel_timeout=SILENT_S,
            connection_limit=MOST_CONNECTIONS,
            # `create_app` has the limits; waitress' own answer would not be in our form.
            max_request_body_size=1 << 40,
            clear_untrusted_proxy_headers=True,
            ident=None,
        )
        while self.alive and self.ppid == os.getppid():
            self.notify()
            loop(timeout=_BEAT_S, use_poll=True, map=connections, count=1)
        server.task_dispatcher.shutdown(timeout=self.cfg.graceful_timeout)
        server.close()
