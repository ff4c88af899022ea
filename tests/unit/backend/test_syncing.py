import pytest

from backend.contract import AnnotatedTask, Task
from backend.errors import UnsupportedConfigError
from backend.settings import ProjectSettings
from backend.syncing import sync
from model.errors import UnknownLabelError
from model.types import Annotation, PoolText
from tests.fakes import FakeLabelStudio, a_project


def read(tasks=(), annotated=(), **project):
    client = FakeLabelStudio(a_project(**project), tasks, annotated)
    return sync(client, client.current, ProjectSettings(), "an/encoder")


def said(label: str) -> tuple[Annotation, ...]:
    return (Annotation("ann", (label,)),)


def test_tasks_that_want_labels_are_the_pool():
    tasks = [
        Task(1, {"text": "good film"}),
        Task(2, {"text": "bad film"}, is_done=True),
        Task(3, {"text": "dull plot"}, is_skipped=True),
        Task(4, {"other": "no text"}),
    ]
    assert read(tasks).pool == (PoolText(1, "good film"), PoolText(3, "dull plot", is_skipped=True), PoolText(4, ""))


def test_annotated_tasks_become_targets_even_those_with_nothing_to_read_so_that_the_training_can_name_them():
    annotated = [AnnotatedTask(1, {"text": "good"}, said("pos")), AnnotatedTask(2, {"text": "  "}, said("neg"))]
    targets = read(annotated=annotated).targets
    assert (targets.task_ids, targets.texts) == ((1, 2), ("good", ""))
    assert targets.targets_N_C.tolist() == [[0, 1], [1, 0]]


def test_a_label_that_the_config_does_not_have_names_the_task():
    with pytest.raises(UnknownLabelError, match=r"task 9 .*'angry'"):
        read(annotated=[AnnotatedTask(9, {"text": "good"}, said("angry"))])


def test_a_config_that_cannot_be_learned_is_refused_before_anything_is_read():
    with pytest.raises(UnsupportedConfigError):
        read(label_config="<View/>")


def test_an_empty_project_is_no_error():
    synced = read()
    assert (synced.pool, len(synced.targets), synced.encoder) == ((), 0, "an/encoder")
