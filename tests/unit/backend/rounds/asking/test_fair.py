import numpy as np

from backend.rounds.asking.fair import fair_labels
from backend.rounds.sync import Synced
from backend.settings import ProjectSettings
from model.judging.fair_sample import draw_numbers
from model.types import PoolText, Targets
from tests.fakes import SENTIMENT, a_project, labeling_config, the_task

IDS = np.arange(1, 401)
# In the order in which the random places of orders come to them.
DRAWN = IDS[np.argsort(draw_numbers(IDS))].tolist()


def project(labelled: list[int], copies: dict[int, int], applied: list[int] = ()) -> Synced:
    """A project of 400 tasks, some of which are copies of others."""
    texts = [PoolText(task_id, f"text number {copies.get(task_id, task_id)}") for task_id in IDS.tolist()]
    shares = np.eye(2, dtype=np.float32)[[1] * len(labelled)].reshape(-1, 2)
    said = Targets(tuple(labelled), tuple(texts[id_ - 1].text for id_ in labelled), shares, SENTIMENT)
    pool = tuple(text for text in texts if text.task_id not in {*labelled, *applied})
    own = tuple(texts[task_id - 1] for task_id in applied)
    return Synced(a_project(), the_task(labeling_config()), ProjectSettings(), said, pool, "", applied=own)


def fair(synced: Synced) -> set[int]:
    labelled = synced.targets.task_ids
    return set(np.array(labelled)[fair_labels([synced], labelled)].tolist())


def copies_of_the_first(count: int) -> dict[int, int]:
    """Every other one of the tasks that are drawn first is a copy of a task with a smaller id."""
    return {task_id: 1 for task_id in DRAWN[:count:2] if task_id != 1}


def test_a_copy_that_waits_at_the_end_of_the_order_ends_no_sample():
    copies = copies_of_the_first(80)
    labelled = sorted({1, *DRAWN[:80]} - copies.keys())
    assert fair(project(labelled, copies)) >= set(DRAWN[:80]) - copies.keys()


def test_a_text_that_nobody_answered_ends_the_sample():
    labelled = sorted(set(DRAWN[1:80:2]))
    assert len(fair(project(labelled, {}))) < 5


def test_what_apply_alone_labelled_ends_the_sample_like_a_text_without_a_label():
    labelled = sorted({*DRAWN[:20], *DRAWN[100:120]})
    applied = DRAWN[20:100]
    assert fair(project(labelled, {}, applied)) == set(DRAWN[:20])


def test_a_copy_that_apply_labelled_ends_no_sample():
    copies = copies_of_the_first(80)
    labelled = sorted({1, *DRAWN[:80]} - copies.keys())
    assert fair(project(labelled, copies, list(copies))) >= set(DRAWN[:80]) - copies.keys()
