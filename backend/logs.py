"""Logging: one line an event, key=value, on stderr."""

import logging
import sys

from backend.settings import Settings


def start_logging(settings: Settings) -> None:
    """Send our lines, and others' warnings, to stderr. Never headers, bodies, texts or keys: nobody logs those."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("backend", "model"):
        logging.getLogger(name).setLevel(settings.log_level)
