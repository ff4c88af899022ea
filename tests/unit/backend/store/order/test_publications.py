import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.errors import DamagedOrderError
from backend.store.order.head import FurtherQuestion, NextTask
from backend.store.order.publications import Publications
from backend.store.order.table import Place
from model.text_digests import text_digest
from model.types import LabelSet
from tests.fakes import POS, a_publication, some_places


@pytest.fixture
def publications(tmp_path) -> Publications:
    return Publications(tmp_path / "5")


def test_before_the_first_publication_there_is_none(publications):
    assert publications.current() is None
    assert publications.name() == ""
    with publications.open() as order:
        assert order is None


def test_a_publication_is_read_as_it_was_written_with_its_first_tasks_named(publications):
    written = publications.write(a_publication(12, strategy="hybrid", selected_at=1 / 3), some_places(12))
    assert publications.current() == written
    assert publications.name() == "3.7"
    assert written.next == tuple(NextTask(10 + n, "margin: score 0.50, place 1") for n in range(10))


def test_every_place_is_read_as_it_was_written(publications):
    publications.write(a_publication(3), some_places(3))
    with publications.open() as order:
        assert order.places() == [
            Place(0, 10, text_digest("text 10"), "margin: score 0.50, place 1", POS),
            Place(1, 11, text_digest("text 11"), "margin: score 0.50, place 1", POS),
            Place(2, 12, text_digest("text 12"), "random sample", "[]"),
        ]
        assert [place.task_id for place in order.places(1, 2)] == [11]


def test_digests_keep_all_of_their_64_bits(publications):
    digests_N = np.array([0, 2**63 - 1, 2**63, 2**64 - 1], dtype=np.uint64)
    publications.write(a_publication(4), some_places(4, text_digests_N=digests_N))
    with publications.open() as order:
        assert [place.text_digest for place in order.places()] == digests_N.tolist()
        np.testing.assert_array_equal(order.texts()[1], digests_N)


def test_tasks_are_found_by_their_ids_and_others_are_left_out(publications):
    publications.write(a_publication(4), some_places(4))
    with publications.open() as order:
        assert {task: place.place for task, place in order.find([13, 99, 10]).items()} == {13: 3, 10: 0}
        assert order.find([]) == {}
        assert len(order.find(range(100_000))) == 4


def test_all_tasks_and_texts_are_read_at_once(publications):
    publications.write(a_publication(3), some_places(3))
    with publications.open() as order:
        task_ids_N, digests_N = order.texts()
    assert task_ids_N.tolist() == [10, 11, 12]
    assert digests_N.tolist() == [text_digest(f"text {id_}") for id_ in (10, 11, 12)]


def test_a_publication_without_tasks_is_read_as_it_was_written(publications):
    publications.write(a_publication(0), some_places(0))
    with publications.open() as order:
        assert order.places() == []
        assert order.texts()[0].tolist() == []


def test_reasons_of_any_script_and_length_are_read_as_they_were_written(publications):
    reasons = ("margin: score 0.50, place 1", "", "wie 'größer' — 例え")
    publications.write(a_publication(3), some_places(3, reasons_N=reasons))
    with publications.open() as order:
        assert tuple(place.reason for place in order.places()) == reasons


def test_an_order_in_a_folder_that_is_named_from_here_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    publications = Publications(Path("data/5"))
    publications.write(a_publication(3), some_places(3))
    with publications.open() as order:
        assert [place.task_id for place in order.places()] == [10, 11, 12]


def test_the_last_publication_is_the_one_in_use_and_the_tables_of_others_are_dropped(publications, tmp_path):
    for number in (1, 2):
        publications.write(a_publication(3, number=number), some_places(3))
    assert publications.current().number == 2
    assert [path.name for path in (tmp_path / "5").glob("order-*")] == ["order-2.sqlite"]


def test_an_order_that_is_being_read_stays_readable_while_another_is_published(publications):
    publications.write(a_publication(3, number=1), some_places(3))
    with publications.open() as order:
        publications.write(a_publication(2, number=2), some_places(2))
        assert [place.task_id for place in order.places()] == [10, 11, 12]


def test_a_publication_without_its_table_is_set_aside(publications, tmp_path):
    publications.write(a_publication(3), some_places(3))
    next((tmp_path / "5").glob("order-*")).unlink()
    with pytest.raises(DamagedOrderError, match="the next round publishes another"), publications.open():
        pass
    assert publications.current() is None
    with publications.open() as order:
        assert order is None


@pytest.mark.parametrize("look", [lambda order: order.find([10]), lambda order: order.places(), lambda o: o.texts()])
def test_a_publication_whose_table_is_damaged_is_set_aside_when_it_is_read(publications, tmp_path, look):
    publications.write(a_publication(3), some_places(3))
    (table,) = (tmp_path / "5").glob("order-*")
    table.write_bytes(bytes(table.stat().st_size))
    with pytest.raises(DamagedOrderError, match=r"3\.7 is damaged"), publications.open() as order:
        look(order)
    assert (publications.current(), publications.name()) == (None, "")
    assert {path.name for path in (tmp_path / "5").iterdir()} == {"order-7.sqlite.broken", "published.json.broken"}


def test_a_table_of_which_any_byte_changed_is_set_aside_also_while_a_process_knows_it(publications, tmp_path):
    for number in range(1, 40):
        publications.write(a_publication(300, number=number), some_places(300))
        with publications.open() as order:
            assert len(order.find([10])) == 1
        (table,) = (tmp_path / "5").glob("order-*.sqlite")
        content = bytearray(table.read_bytes())
        content[number * (len(content) // 40)] ^= 1
        table.write_bytes(content)
        with pytest.raises(DamagedOrderError, match="differs from its checksum"), publications.open():
            pass
        assert publications.current() is None


def test_a_table_is_hashed_once_for_each_process(publications, monkeypatch):
    publications.write(a_publication(3), some_places(3))
    with publications.open():
        pass
    monkeypatch.setattr("backend.store.order.table.sha256_of", None)
    with publications.open() as order:
        assert len(order.places()) == 3


def test_an_order_of_the_release_before_checksums_is_read(publications, tmp_path):
    written = publications.write(a_publication(3), some_places(3))
    before = json.loads((tmp_path / "5" / "published.json").read_text())["record"]
    del before["table_sha256"]
    (tmp_path / "5" / "published.json").write_text(json.dumps(before))
    assert publications.current() == replace(written, table_sha256="")
    with publications.open() as order:
        assert len(order.places()) == 3


def test_an_order_that_was_replaced_while_it_was_read_is_not_set_aside(publications):
    publications.write(a_publication(3, number=1), some_places(3))

    def replace_it(_):
        publications.write(a_publication(3, number=2), some_places(3))
        raise sqlite3.DatabaseError("gone")

    with pytest.raises(DamagedOrderError), publications.open() as order:
        replace_it(order)
    assert publications.current().number == 2


def test_a_table_that_cannot_be_written_leaves_the_order_in_use(publications):
    publications.write(a_publication(3, number=1), some_places(3))
    with pytest.raises(ValueError, match="argument"):
        publications.write(a_publication(3, number=2), some_places(3, results_N=["[]"]))
    assert publications.current().number == 1


def test_a_task_has_only_one_place(publications):
    twice = some_places(2, task_ids_N=np.array([10, 10]))
    with pytest.raises(sqlite3.IntegrityError):
        publications.write(a_publication(2), twice)


def test_an_order_of_an_earlier_release_is_set_aside(publications, tmp_path, caplog):
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "published.json").write_text('{"number": 4, "model": 1, "queued": 10, "llm_labels": []}')
    assert publications.current() is None
    assert (tmp_path / "5" / "published.json.broken").exists()
    assert "event=set_aside" in caplog.text


def test_each_question_sees_what_an_order_knew_of_it(publications):
    topics = LabelSet(("plot", "cast"))
    further = FurtherQuestion(model=5, labelled_tasks=9, label_set=topics, strategy="margin", labels_sha256="x")
    head = publications.write(a_publication(further=(further,), selected_at=3.0), some_places())
    kept = publications.current()
    assert kept.label_sets == (head.label_set, topics)
    assert kept.of_question(0) == head
    second = kept.of_question(1)
    assert (second.model, second.labelled_tasks, second.label_set, second.selected_at) == (5, 9, topics, 3.0)
    assert kept.of_question(2).model == -1
