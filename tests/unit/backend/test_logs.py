"""Nothing that a stranger sends can pass for a line or a key of the log."""

import io
import logging

import pytest

from backend.logs import OneLine
from backend.settings import Settings
from backend.web.app import create_app
from backend.web.classifying import WebClassifier
from backend.web.service import Service
from tests.fakes import FakeRounds

UGLY = ["a\nb", "a\rb", "a\r\nb", "\x1b[31mred", "a\x00b", "a\u2028b", "a\x85b", "\u202eabc", "a\tb", "\x7f"]


@pytest.fixture
def log():
    """The lines that loggers of ours wrote."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    logger = logging.getLogger("backend")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


ours = logging.getLogger("backend.web.app")


@pytest.mark.parametrize("ugly", UGLY, ids=ascii)
def test_a_value_stays_on_its_line_and_shows_no_control_character(log, ugly):
    ours.info("event=request path=%s ms=%.1f", ugly, 2.5)
    line = log.getvalue().removesuffix("\n")
    assert line.isprintable()
    assert line.isascii()
    assert line.endswith(" ms=2.5")
    assert len(log.getvalue().splitlines()) == 1


@pytest.mark.parametrize("forged", ["/x event=published project=1", 'a"b', "a=b", "a\\"])
def test_a_value_that_could_pass_for_another_key_stands_in_quotes(log, forged):
    ours.info("event=request path=%s", forged)
    assert log.getvalue().startswith('INFO event=request path="')
    assert log.getvalue().endswith('"\n')


def test_plain_values_are_written_as_they_are(log):
    ours.info("event=started child=%s pid=%d seconds=%.1f", "worker", 12, 0.25)
    assert log.getvalue() == "INFO event=started child=worker pid=12 seconds=0.2\n"


def test_a_traceback_is_told_from_events_by_its_bars(log):
    try:
        raise ValueError("no\nevent=published project=1\x1b[2J")
    except ValueError:
        ours.exception("event=crash kind=%s", "ValueError")
    first, *others = log.getvalue().splitlines()
    assert first == "ERROR event=crash kind=ValueError"
    assert others
    assert all(line.startswith("    | ") and line.isprintable() for line in others)


@pytest.mark.parametrize("path", ["/x%0Aevent=published%20project=1", "/%1b%5b2J", "/%E2%80%A8event=published"])
def test_a_request_cannot_write_a_line_of_its_own(log, tmp_path, path):
    create_app(Service(Settings(model_dir=tmp_path), FakeRounds(), WebClassifier())).test_client().get(path)
    (line,) = log.getvalue().splitlines()
    assert line.startswith('INFO event=request method=GET path="/')
    assert "status=404" in line
    assert line.isprintable()
