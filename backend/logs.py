"""Logging to stderr: one line for each event, as `event=name key=value`."""

import logging
import sys

from backend.settings import Settings


def start_logging(settings: Settings) -> None:
    """Send our log lines, and the warnings of other packages, to stderr.

    No line may hold a header, a body, a text or a key: each caller of a logger leaves them out.

    Args:
        settings: its `log_level` is the lowest level that our own packages log.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("backend", "model"):
        logging.getLogger(name).setLevel(settings.log_level)
