"""A data folder that an earlier release wrote: what is used, and what is set aside."""

import json

import numpy as np
import pytest

from backend.rounds.publish import next_number
from backend.store.connection import Connection
from backend.store.project_folder import ProjectFolder
from backend.store.selections import LLMLabel, Picked, Selection

BORN = "2026-01-01T00:00:00+00:00"
# As the release before the first table of places wrote them.
FILES = {
    "connection.json": {"host": "localhost:9090", "extra_params": {"query_size": 5}},
    "identity.json": {"created_at": BORN},
    "publications.json": ["0.1", "1.2"],
    "published.json": {
        "number": 2,
        "model": 1,
        "queued": 3,
        "settings_digest": "abc",
        "labelled_tasks": 16,
        "label_set": {"labels": ["neg", "pos"], "is_multilabel": False},
        "strategy": "hybrid",
        "labels_sha256": "def",
        "is_live": False,
        "selected_at": 0.0,
        "llm_labels": [],
        "blind": [],
        "next": [{"task": 10, "reason": "margin 0.03"}],
    },
    "synced.json": {
        "identity": ["abc", "", 40, 1, 0.0],
        "annotations": 16,
        "unseen": 0,
        "quiet_for": 16,
        "has_llm_a_say": False,
        "ask_llm_at": None,
        "labels": 16,
        "left": 24,
        "failure": None,
        "llm_checks": {"agreed": 0, "disagreed": 0},
        "names": None,
    },
    "selection.json": {
        "strategy": "activellm",
        "source": "mistral x",
        "at": 5.0,
        "picks": [{"task_id": 10, "guess": "pos", "votes": 3, "askings": 3, "score": None}],
        "failure": "",
        "failure_code": "",
        "failures": 0,
    },
    "llm_labels.json": {
        "12": {"labels": ["pos"], "is_sure": True, "is_check": True, "text_digest": 2**64 - 5, "source": "mistral x"}
    },
    "paste.json": {"text": "Pick 3", "task_ids": [10, 11], "select": 3, "labels": ["neg", "pos"], "at": 7.5},
}
ROUND = {
    "at": 1.0,
    "labels": 16,
    "model": 1,
    "publication": "1.2",
    "strategy": "hybrid",
    "left": 24,
    "seconds": 2.5,
}


@pytest.fixture
def folder(tmp_path) -> ProjectFolder:
    home = ProjectFolder(tmp_path, 5)
    home.path.mkdir(parents=True)
    for name, content in FILES.items():
        (home.path / name).write_text(json.dumps(content), encoding="utf-8")
    (home.path / "rounds.jsonl").write_text(f"\n{json.dumps(ROUND)}\n", encoding="utf-8")
    np.savez(home.path / "order-2.npz", task_ids_N=np.arange(10, 13))
    (home.path / "tasks.sqlite").write_bytes(b"tasks")
    (home.path / "versions" / "1").mkdir(parents=True)
    return home


def test_what_people_set_and_what_was_chosen_is_used(folder):
    folder.belong_to(BORN)
    assert folder.connection.read() == Connection("", {"query_size": 5})
    picks = (Picked(10, "pos", 3, 3),)
    assert folder.selection.read() == Selection("activellm", "mistral x", 5.0, picks)
    assert folder.llm_labels.read() == {12: LLMLabel(("pos",), True, True, 2**64 - 5, "mistral x")}
    assert folder.paste_prompt.read().task_ids == (10, 11)
    assert [record.publication for record in folder.rounds.read()] == ["1.2"]
    assert folder.tasks_file.read_bytes() == b"tasks"
    assert folder.registry.numbers() == [1]


def test_its_order_and_its_facts_are_set_aside_with_a_sentence_and_made_anew(folder, caplog):
    assert folder.publications.current() is None
    assert folder.sync_record.read() is None
    assert caplog.text.count("event=set_aside") == 2
    assert (folder.path / "published.json.broken").exists()
    assert (folder.path / "synced.json.broken").exists()


def test_the_next_order_has_a_number_that_label_studio_has_not_seen(folder):
    assert next_number(folder, {}) == 3
    assert folder.started_publications.read() == ["0.1", "1.2"]
