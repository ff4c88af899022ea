"""The Data Manager's tab "Next up": the tasks that still want a label, in the order in which annotators get them."""

import logging
import time
from collections.abc import Collection, Sequence
from typing import Any

from backend.errors import LabelStudioError
from backend.store.applied import NextUpTab
from backend.store.project_folder import ProjectFolder
from backend.studio.answers import Column
from backend.studio.client import LabelStudioClient

TITLE = "Next up"
# How soon to try again where Label Studio made no tab.
TRY_AGAIN_S = 3600.0
# The columns of the tab, besides the texts: Label Studio Community has none for the agreement of annotators.
_SHOWN = (
    *("id", "predictions_results", "predictions_score", "predictions_model_versions"),
    *("total_annotations", "annotators"),
)
# Wide enough for the label in the JSON of a prediction.
_WIDTHS_PX = {"tasks:predictions_results": 420}
# Label Studio averages the scores of the project's model version alone, which are the places of the published order.
_ORDERING = ("tasks:predictions_score",)
# Label Studio calls a task completed when it has all the annotations that it wants.
_UNLABELLED = {"filter": "filter:tasks:completed_at", "operator": "empty", "type": "Datetime", "value": "true"}

log = logging.getLogger(__name__)


def show_next_up(client: LabelStudioClient, folder: ProjectFolder) -> None:
    """Make the project's tab once; people's changes to the tab, and its deletion, stay.

    If Label Studio refuses, the project is connected all the same: the refusal is logged, kept for `doctor`, and the
    tab is tried again later.

    Args:
        client: the client for Label Studio.
        folder: the project's own.
    """
    known = folder.next_up.read()
    if known is not None and (known.view_id or 0 <= time.time() - known.at < TRY_AGAIN_S):
        return
    try:
        made = NextUpTab(time.time(), _find_or_make(client, folder.project_id))
    except LabelStudioError as error:
        made = NextUpTab(time.time(), problem=str(error))
        log.warning("event=no_tab project=%d code=%s reason=%s", folder.project_id, error.code, error)
    folder.next_up.write(made)


def _find_or_make(client: LabelStudioClient, project_id: int) -> int:
    """Return the id of the tab with TITLE, whoever made it, or make the tab."""
    tabs = client.tabs(project_id)
    ours = [tab.id for tab in tabs if tab.title == TITLE]
    if ours:
        return ours[0]
    columns = client.columns(project_id)
    if not tabs:
        # Label Studio makes its own tab only while there is none: beside ours it would make no Default.
        client.make_tab(project_id, _tab("Default", _hidden_by_default(columns)))
    return client.make_tab(project_id, next_up(columns))


def next_up(columns: Sequence[Column]) -> dict[str, Any]:
    """Describe the tab as Label Studio stores it.

    Args:
        columns: the columns that the project's Data Manager has.
    """
    texts = {column.path for column in columns if column.parent == "data"}
    shown = {*(f"tasks:{name}" for name in _SHOWN), *texts}
    hidden = _hidden_by_default(columns)
    hidden["explore"] = [column.path for column in columns if column.path not in shown]
    return {**_tab(TITLE, hidden, [_UNLABELLED]), "ordering": list(_ORDERING), "columnsWidth": _WIDTHS_PX}


def _tab(title: str, hidden: dict[str, list[str]], filters: Collection[dict[str, str]] = ()) -> dict[str, Any]:
    return {
        "title": title,
        "type": "list",
        "target": "tasks",
        "gridWidth": 4,
        "columnsWidth": {},
        "columnsDisplayType": {},
        "hiddenColumns": hidden,
        "filters": {"conjunction": "and", "items": list(filters)},
        "ordering": [],
    }


def _hidden_by_default(columns: Sequence[Column]) -> dict[str, list[str]]:
    """The columns that Label Studio hides in the list of tasks, and beside a task that is labelled."""
    return {
        place: [column.path for column in columns if not column.visibility_defaults.get(place, True)]
        for place in ("explore", "labeling")
    }
