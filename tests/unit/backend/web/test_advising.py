import re
from dataclasses import replace

import numpy as np
import pytest

from backend.store.connection import Connection
from backend.store.judging import Comparison, Decision, History
from model.encoder.classifier import new_classifier
from model.judging.comparison import Paired
from model.judging.pace import Pace
from model.learner.recipes import TrainingConfig
from model.learner.training import Trained
from model.stopping import ENOUGH, GO_ON, TOO_EARLY, advise
from model.types import Targets
from tests.fakes import SENTIMENT, a_sync_record
from tests.histories import grown

TARGETS = Targets((4, 9), ("good film", "bad film"), np.float32([[0, 1], [1, 0]]), SENTIMENT)


STABLE, GROWING = grown(1, 1, 0.99), grown(9, 1, 0.7)


@pytest.fixture
def connected(service):
    folder = service.folder(1)
    folder.connection.write(Connection("http://localhost:9090", {}, 5))
    return folder


@pytest.fixture
def waiting(connected, encoder):
    """A project whose second version waits."""
    for number in (1, 2):
        made = Trained(new_classifier(encoder, SENTIMENT))
        connected.registry.write(made, TARGETS, TrainingConfig(encoder=encoder), question="sentiment")
        if number == 1:
            connected.registry.point(1)
    connected.sync_record.write(a_sync_record(questions=("sentiment",)))
    fingerprint = connected.registry.find(2).fingerprint
    compared = (Comparison("labelled texts", Paired(1, 12, 40)),)
    connected.gate.write(Decision(2, fingerprint, 1, True, "model version 2 loses <b>27.5</b> points", compared))
    return connected


def status(browser) -> dict:
    return browser.get("/projects/1/status").get_json()


def metric(browser, name: str) -> str | None:
    found = re.search(rf'^{name}\{{project="1"\}} (.+)$', browser.get("/metrics").text, re.MULTILINE)
    return found[1] if found else None


def test_before_the_first_training_it_is_too_early_to_say(browser, connected):
    told = status(browser)["stopping"]
    assert told["state"] == TOO_EARLY
    assert (told["gain"], told["gain_unknown"]) == (None, "there is no model version yet")
    assert metric(browser, "shortlist_stopping_advised") == "0.0"
    assert metric(browser, "shortlist_expected_gain") is None


def test_status_and_metrics_tell_the_advice_with_its_figures(browser, connected):
    connected.sync_record.write(a_sync_record(questions=("sentiment",), pace=Pace(120.0, 200)))
    connected.history.write(History(SENTIMENT, STABLE))
    told, advice = status(browser)["stopping"], advise(STABLE)
    assert (told["state"], told["question"]) == (ENOUGH, "sentiment")
    assert (told["sentence"], told["reason"]) == (advice.sentence, advice.reason)
    assert (told["gain"], told["gain_high"]) == (advice.gain.expected, advice.gain.high)
    assert told["kappa"] == pytest.approx(0.99)
    # 30 texts wait, at 120 an hour.
    assert (told["labels_per_hour"], told["hours_left"], told["hours_for_next"]) == (120.0, 0.25, 0.83)
    assert metric(browser, "shortlist_stopping_advised") == "1.0"
    assert metric(browser, "shortlist_hours_left") == "0.25"
    assert float(metric(browser, "shortlist_expected_gain")) == pytest.approx(advice.gain.expected)


def test_the_least_finished_question_decides_for_the_project(browser, connected):
    facts = a_sync_record().facts
    connected.sync_record.write(a_sync_record(questions=("sentiment", "topic"), further=(facts,)))
    connected.history.write(History(SENTIMENT, STABLE))
    connected.of_question(1).history.write(History(SENTIMENT, GROWING))
    told = status(browser)["stopping"]
    assert (told["question"], told["state"]) == ("topic", GO_ON)
    assert [(one["question"], one["state"]) for one in told["questions"]] == [("sentiment", ENOUGH), ("topic", GO_ON)]


def test_a_damaged_history_is_told_and_the_advice_begins_anew(browser, connected):
    connected.sync_record.write(a_sync_record(questions=("sentiment",)))
    connected.history.write(History(SENTIMENT, STABLE))
    file = connected.path / "history.json"
    file.write_bytes(file.read_bytes()[:-9])
    told = status(browser)
    assert told["stopping"]["state"] == TOO_EARLY
    assert [damage["file"] for damage in told["set_aside"]] == ["history.json"]


def test_a_version_that_waits_is_told_with_its_reason_and_figures(browser, waiting):
    told = status(browser)
    (found,) = told["waiting"]
    assert (found["version"], found["current"], found["question"]) == (2, 1, "sentiment")
    assert found["reason"] == "model version 2 loses <b>27.5</b> points"
    (compared,) = found["comparisons"]
    assert (compared["better"], compared["worse"], compared["texts"]) == (1, 12, 40)
    assert compared["gain"] == -0.275
    assert compared["p_worse"] == pytest.approx(14 / 2**13, abs=1e-6)
    assert told["model"] == 1
    assert metric(browser, "shortlist_versions_waiting") == "1.0"


def test_a_decision_about_other_versions_makes_nothing_wait(browser, waiting):
    decision = waiting.gate.read()
    for other in (replace(decision, against=7), replace(decision, fingerprint="another"), replace(decision, version=9)):
        waiting.gate.write(other)
        assert status(browser)["waiting"] == []
