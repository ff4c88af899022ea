"""Made-up requests by schemathesis from /openapi.json: none ends in a 5xx, none takes long."""

import re
import time

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from backend.settings import Settings
from backend.store.connection import Connection
from backend.store.selections import PastePrompt
from backend.web.app import create_app
from backend.web.classifying import WebClassifier
from backend.web.openapi import openapi
from backend.web.service import Service
from tests.fakes import FakeRounds, write_publication

OPERATIONS = [(method.upper(), path) for path, methods in openapi()["paths"].items() for method in methods]
CASES = 10_000
# Of an operation in `make test`.
FEW_CASES = 10
# By the clock, not by the processor: whoever waits, waits.
SLOWEST_S = 2.0


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    service = Service(
        Settings(model_dir=tmp_path_factory.mktemp("made-up"), rate_limit=0), FakeRounds(), WebClassifier()
    )
    folder = service.folder(1)
    folder.connection.write(Connection("http://localhost:9090"))
    folder.paste_prompt.write(PastePrompt("choose", (10, 11, 12, 13), 2, ("neg", "pos"), 5.0))
    write_publication(folder, 5, queued=2)
    made = schemathesis.openapi.from_wsgi("/openapi.json", create_app(service))
    made.config.generation.update(modes=[schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE])
    return made


def try_out(schema, method: str, path: str, cases: int) -> None:
    slowest = 0.0

    @settings(max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def check(case):
        nonlocal slowest
        began = time.monotonic()
        answer = case.call()
        slowest = max(slowest, time.monotonic() - began)
        # A part that is not well is what /ready is for.
        assert answer.status_code < 500 or path == "/ready", answer.text
        assert str(answer.status_code) in openapi()["paths"][path][method.lower()]["responses"], answer.text

    given(case=schema[path][method].as_strategy())(check)()
    assert slowest < SLOWEST_S


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_made_up_requests_are_answered_or_refused_in_time(schema, method, path):
    try_out(schema, method, path, FEW_CASES)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_ten_thousand_made_up_requests_are_answered_or_refused_in_time(schema, method, path):
    try_out(schema, method, path, -(-CASES // len(OPERATIONS)))


def test_every_route_is_described_and_nothing_else(schema):
    rules = [rule for rule in schema.app.url_map.iter_rules() if rule.endpoint != "static"]
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in rules
        for method in rule.methods - {"OPTIONS", "HEAD"}
    }
    assert routes == set(OPERATIONS)


@pytest.mark.parametrize("digits", [11, 300, 4000])
def test_a_project_with_an_endless_number_is_unknown(schema, digits):
    answer = schema.app.test_client().get(f"/projects/{'9' * digits}/status")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "unknown_project")
