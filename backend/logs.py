"""Logging to stderr: one line for each event, as `event=name key=value`."""

import json
import logging
import re
import sys
from typing import Any

from backend.settings import Settings

_OURS = ("backend", "model")
# A value with any of these could pass for another key or another line.
_UNSAFE = re.compile(r"[^!#-<>-\[\]-~]")
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
_CONTINUED = "\n    | "


def start_logging(settings: Settings) -> None:
    """Send our log lines, and the warnings of other packages, to stderr.

    No line may hold a header, a body, a text or a key: each caller of a logger leaves them out.

    Args:
        settings: its `log_level` is the lowest level that our own packages log.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(settings.log_level)


class OneLine(logging.Formatter):
    """Writes an event as one line, whatever its values hold. Lines of a traceback begin with a bar."""

    def format(self, record: logging.LogRecord) -> str:
        """Format an event, with quotes around values that could pass for other keys or lines."""
        safe = logging.makeLogRecord(record.__dict__)
        if record.name.split(".")[0] in _OURS and isinstance(record.args, tuple):
            safe.args = tuple(map(_quoted, record.args))
        safe.msg, safe.args = _on_one_line(safe.getMessage()), None
        safe.exc_text = safe.stack_info = None
        line = super().format(safe)
        return _CONTINUED.join(map(_on_one_line, line.splitlines()))


def _quoted(value: Any) -> Any:
    """Return a value as it is if it is a number or plain text without spaces, else as a JSON string."""
    if value is None or isinstance(value, (int, float)):
        return value
    text = str(value)
    return json.dumps(text) if _UNSAFE.search(text) else text


def _on_one_line(text: str) -> str:
    return _NOT_PRINTABLE.sub(lambda found: json.dumps(found[0])[1:-1] if found[0] != "\x7f" else "\\u007f", text)
