"""Write planned labels to Label Studio, as predictions or as annotations, and take them back.

A run is recorded before its first label is written. A run with the same labels as the last one goes on where the last
one was killed, or finds that nothing is left to do.
"""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from backend.applying.planning import ApplyPlan
from backend.rounds.clean_up import removals
from backend.store.applied import Form, Given, Run, run_number
from backend.store.project_folder import ProjectFolder
from backend.studio.client import LabelStudioClient
from backend.studio.marks import marked
from model.progress import Progress, ignore_progress
from model.tasks.task import Task

# Number of tasks that are read again just before they get annotations, so that none is written beside a person's.
LOOKED_AT = 200


def write_predictions(
    client: LabelStudioClient, folder: ProjectFolder, task: Task, plan: ApplyPlan, on_progress: Progress
) -> Run:
    """Write labels as predictions of a model version of their own, then delete those of earlier runs.

    The project's order and model version stay as they are.

    Args:
        client: the client for Label Studio.
        folder: the project's folder.
        task: the question.
        plan: the labels.
        on_progress: called with (labels written, labels to write).

    Raises:
        PublicationError: Label Studio stored fewer; another call goes on.
    """
    run = _begin(client, folder, plan, Form.PREDICTIONS)
    if not run.is_done:
        has = client.predicted_tasks(folder.project_id, run.name)
        missing = {task_id: given for task_id, given in plan.labels.items() if task_id not in has}
        predictions = [_prediction(run.name, task, task_id, given) for task_id, given in missing.items()]
        client.import_predictions(folder.project_id, predictions, on_progress)
        run = _end(folder, run)
    earlier = [old for old in folder.applied.read() if old.form is Form.PREDICTIONS and old.name != run.name]
    _remove_predictions(client, folder, ignore_progress, but=run.name)
    _forget(folder, earlier)
    return run


def write_annotations(
    client: LabelStudioClient, folder: ProjectFolder, task: Task, plan: ApplyPlan, on_progress: Progress
) -> tuple[Run, int]:
    """Write labels as annotations of the API key's owner, marked as the backend's.

    A task that has an annotation gets none, whoever gave it. Where somebody labels a task while labels are
    written, ours is deleted again.

    Args:
        client: the client for Label Studio.
        folder: the project's folder.
        task: the question.
        plan: the labels.
        on_progress: called with (labels written, labels to write).

    Returns:
        The run, and how many annotations it wrote now.
    """
    run = _begin(client, folder, plan, Form.ANNOTATIONS)
    written = 0
    wanted = sorted(plan.labels)
    for start in range(0, len(wanted), LOOKED_AT):
        for task_id in _without_annotation(client, folder, task, wanted[start : start + LOOKED_AT]):
            result = marked(_items(task, plan.labels[task_id]), run.name)
            unique_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"shortlist/{folder.project_id}/{task_id}/{run.name}"))
            written += client.annotate_as_us(task_id, result, unique_id)
            on_progress(written, len(plan.labels))
    written -= _give_way(client, folder, task, wanted)
    return _end(folder, run), written


def undo(client: LabelStudioClient, folder: ProjectFolder, on_progress: Progress) -> tuple[int, int]:
    """Delete all labels that `apply` wrote in a project, except annotations that somebody changed.

    Args:
        client: the client for Label Studio.
        folder: the project's folder.
        on_progress: called with (labels deleted, labels to delete).

    Returns:
        The numbers of deleted predictions and annotations.
    """
    runs = folder.applied.read()
    predictions = _remove_predictions(client, folder, on_progress)
    annotations = list(client.applied_annotations(folder.project_id))
    for done, annotation_id in enumerate(annotations, start=1):
        client.delete_annotation(annotation_id)
        on_progress(done, len(annotations))
    _forget(folder, runs)
    folder.sample.remove()
    return predictions, len(annotations)


def _begin(client: LabelStudioClient, folder: ProjectFolder, plan: ApplyPlan, form: Form) -> Run:
    """Return the run of a plan: an earlier run with the same labels or one that was cut short, else a new run."""
    runs = folder.applied.read()
    stored = client.prediction_counts(folder.project_id)
    same = next((run for run in runs if run.form is form and _goes_on(run, plan)), None)
    if same is not None:
        # Its predictions may have been deleted in Label Studio.
        is_whole = form is Form.ANNOTATIONS or stored.get(same.name, 0) >= same.tasks
        return same if is_whole else replace(same, is_done=False)
    # Label Studio has the predictions of a run whose record was lost: a name that is given twice would mix both.
    number = 1 + max(map(run_number, (*stored, *(run.name for run in runs))), default=0)
    name = f"{plan.giver}.apply-{number}"
    run = Run(name, form, plan.digest, len(plan.labels), plan.precision, time.time())
    folder.applied.write([*runs, run])
    return run


def _goes_on(run: Run, plan: ApplyPlan) -> bool:
    """Whether a run is that of a plan; one of annotations that was cut short has labelled a part of the texts.

    A run of another precision never is: people read the precision of a run as that of all its labels.
    """
    if run.precision != plan.precision:
        return False
    is_cut = run.form is Form.ANNOTATIONS and not run.is_done and run.name.startswith(f"{plan.giver}.")
    return is_cut or run.digest == plan.digest


def _end(folder: ProjectFolder, run: Run) -> Run:
    done = replace(run, is_done=True)
    folder.applied.write([done if one.name == run.name else one for one in folder.applied.read()])
    return done


def _forget(folder: ProjectFolder, runs: Sequence[Run]) -> None:
    gone = {run.name for run in runs}
    folder.applied.write([run for run in folder.applied.read() if run.name not in gone])


def _remove_predictions(client: LabelStudioClient, folder: ProjectFolder, on_progress: Progress, but: str = "") -> int:
    """Delete the predictions of all runs but one, also of those whose record was lost; return their number."""
    stored = client.prediction_counts(folder.project_id)
    stale = {name: size for name, size in stored.items() if size and name != but and run_number(name)}
    removed = 0
    for count in removals(client, folder.project_id, stale):
        removed += count
        on_progress(removed, sum(stale.values()))
    return removed


def _prediction(name: str, task: Task, task_id: int, given: Given) -> Mapping[str, Any]:
    # These predictions are part of no order, so their score can be the probability.
    return {"task": task_id, "model_version": name, "score": given.confidence, "result": _items(task, given)}


def _items(task: Task, given: Given) -> list[dict[str, Any]]:
    return [{**item, "score": given.confidence} for item in json.loads(task.label_result(given.labels))]


def _without_annotation(
    client: LabelStudioClient, folder: ProjectFolder, task: Task, task_ids: Sequence[int]
) -> list[int]:
    """Return the tasks that Label Studio still has and that have no annotation, in order of their ids."""
    pages = client.tasks_by_id(folder.project_id, task_ids, [task.control])
    return [found.task_id for page in pages for found in page if not found.annotations]


def _give_way(client: LabelStudioClient, folder: ProjectFolder, task: Task, task_ids: Sequence[int]) -> int:
    """Delete our annotations of tasks that somebody labelled, or skipped, while we wrote; return how many."""
    pages = client.tasks_by_id(folder.project_id, task_ids, [task.control])
    tasks = (found for page in pages for found in page)
    both = [found.task_id for found in tasks if len({given.is_applied for given in found.annotations or ()}) > 1]
    ours = [annotation_id for task_id in both for annotation_id in client.annotations_of_ours(task_id)]
    for annotation_id in ours:
        client.delete_annotation(annotation_id)
    return len(ours)
