from dataclasses import replace

import pytest

from backend.rounds.judging.remembering import STOP_SET
from backend.store.judging import MOST_RECORDS
from model.types import LabelSet
from tests.fakes import SENTIMENT
from tests.unit.backend.rounds.judging.conftest import FILMS, first, lazily


def records(folder):
    return folder.history.read().records


def test_the_first_version_has_nothing_to_be_compared_with(train, folder):
    train(24)
    (record,) = records(folder)
    assert (record.version, record.labels, record.learned, record.kappa, record.paired.texts) == (1, 24, 12, None, 0)
    measured = folder.registry.current().out_of_fold
    assert (record.accuracy, record.macro_f1) == (measured.accuracy, measured.macro_f1)


def test_each_further_version_is_compared_with_the_one_before_it(train, folder):
    for labels in (24, 48, 72):
        train(labels)
    assert [record.version for record in records(folder)] == [1, 2, 3]
    assert [record.paired.texts for record in records(folder)] == [0, 24, 48]
    assert all(record.kappa > 0.5 for record in records(folder)[1:])


def test_a_version_that_answers_otherwise_agrees_less(train, folder):
    for labels, label in ((24, None), (48, None), (160, first(24, lazily))):
        train(labels, **({"label": label} if label else {}))
    alike, other = records(folder)[1].kappa, records(folder)[2].kappa
    assert other < alike


def test_versions_answer_the_same_texts_whether_they_are_labelled_by_now_or_not(train, folder):
    train(24)
    before = folder.stop_answers.read()
    train(48)
    now = folder.stop_answers.read()
    assert now.digests == before.digests
    assert len(now.digests) == len(FILMS) <= STOP_SET
    assert (before.version, now.version) == (1, 2)


def test_the_random_tasks_are_counted_for_themselves(train, folder):
    # All 200 films have ids 0 … 199; with 195 of them labelled, nearly every one is in the sample.
    train(195)
    record = records(folder)[-1]
    assert 150 < record.random.texts <= 195
    assert record.random.accuracy == pytest.approx(record.accuracy, abs=0.05)


def test_a_version_is_remembered_once_however_often_rounds_come_upon_it(train, look, folder):
    train(24)
    train(120, first(24, lazily))
    before = records(folder)
    for _ in range(3):
        look(120, first(24, lazily))
    assert records(folder) == before


def test_other_labels_begin_another_history(train, folder):
    train(24)
    train(48, label_set=LabelSet(("bad", "good")))
    (record,) = records(folder)
    assert (record.version, record.kappa, record.paired.texts) == (2, None, 0)


def test_lost_answers_to_the_stop_set_cost_one_agreement(train, folder):
    train(24)
    (folder.path / "stop_answers.json").write_text("no JSON")
    train(48)
    train(72)
    assert [record.kappa is None for record in records(folder)] == [True, True, False]


def test_a_lost_history_begins_anew(train, folder):
    train(24)
    (folder.path / "history.json").write_text("no JSON")
    train(48)
    assert [record.version for record in records(folder)] == [2]


def test_a_history_has_an_end(train, folder):
    train(24)
    kept = folder.history.read()
    folder.history.write(replace(kept, records=kept.records * MOST_RECORDS))
    train(48)
    assert len(records(folder)) == MOST_RECORDS
    assert records(folder)[-1].version == 2


def test_where_a_text_may_have_several_labels_each_is_compared(train, folder):
    several = LabelSet(SENTIMENT.labels, is_multilabel=True)
    for labels in (24, 48):
        train(labels, label_set=several)
    record = records(folder)[-1]
    assert record.paired.texts == 24
    assert 0.5 < record.kappa <= 1.0
