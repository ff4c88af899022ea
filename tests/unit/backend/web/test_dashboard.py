"""docs/grafana.json: a dashboard that asks only for what /metrics has, and says of each panel what it shows."""

import json
import re
from collections import Counter
from typing import Any

import pytest

from backend.web.metrics import Collector
from tests.compose import ROOT

DASHBOARD = json.loads((ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
# Words of PromQL that the dashboard uses; any other word is a metric.
PROMQL = {"delta", "or", "time"}
# A word that is no label's name or value: those stand in braces.
WORD, BRACES = re.compile(r"[a-zA-Z_]\w*"), re.compile(r"(\w*)\{([^}]*)\}")
MATCHER = re.compile(r"(\w+)(=~|!~|!=|=)\"")
each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])


@pytest.fixture
def exported(service) -> dict[str, set[str]]:
    """The labels of every metric that /metrics has, by its name."""
    return {metric.name: set(metric._labelnames) for metric in Collector(service).collect()}


def queries(panel: dict[str, Any]) -> list[tuple[str, str]]:
    """Each expression of a panel, with the name of its series."""
    return [(target["expr"], target["legendFormat"]) for target in panel["targets"]]


def metrics_in(expression: str) -> set[str]:
    without_ranges = re.sub(r"\[\w+\]", "", BRACES.sub(r"\1", expression))
    return set(WORD.findall(without_ranges)) - PROMQL


@each_panel
def test_a_panel_asks_for_metrics_and_labels_that_there_are(exported, panel):
    assert queries(panel)
    for expression, series in queries(panel):
        named = metrics_in(expression)
        assert named
        assert named <= exported.keys()
        named_in_series = set(re.findall(r"\{\{(\w+)\}\}", series))
        for metric, matchers in BRACES.findall(expression):
            asked = dict(MATCHER.findall(matchers))
            assert asked.keys() <= exported[metric]
            free = {label for label in exported[metric] if asked.get(label) != "="}
            assert named_in_series == free, "series of several projects or questions that look the same"


@each_panel
def test_a_panel_has_a_title_a_unit_and_a_description_and_asks_the_data_source_of_the_import(panel):
    assert all((panel["title"], panel["description"], panel["fieldConfig"]["defaults"]["unit"]))
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert {source["uid"] for source in sources} == {"${DS_PROMETHEUS}"}


def test_every_metric_has_help_and_a_panel(exported, service):
    assert [metric.name for metric in Collector(service).collect() if not metric.documentation] == []
    shown = {metric for panel in PANELS for expression, _ in queries(panel) for metric in metrics_in(expression)}
    # Of one question they are the same as `shortlist_question_model`.
    assert exported.keys() - shown == {"shortlist_model"}


def test_panels_have_ids_titles_and_places_of_their_own():
    everywhere = DASHBOARD["panels"]
    assert [id_ for id_, count in Counter(panel["id"] for panel in everywhere).items() if count > 1] == []
    assert [title for title, count in Counter(panel["title"] for panel in everywhere).items() if count > 1] == []
    taken = Counter(
        (row, column)
        for panel in everywhere
        for row in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
    )
    assert max(taken.values()) == 1
    assert max(column for _, column in taken) == 23


def test_the_import_asks_which_prometheus_and_projects_can_be_chosen(exported):
    (asked,) = DASHBOARD["__inputs"]
    assert (asked["name"], asked["type"], asked["pluginId"]) == ("DS_PROMETHEUS", "datasource", "prometheus")
    (project,) = DASHBOARD["templating"]["list"]
    assert project["definition"] == project["query"]["query"] == "label_values(shortlist_labels, project)"
    assert {panel["type"] for panel in PANELS} == {
        needed["id"] for needed in DASHBOARD["__requires"] if needed["type"] == "panel"
    }
