import numpy as np
import pytest

from model.judging.pace import LEAST_LABELS, pace_of, people_at_work

DAY_S = 86_400.0


def every(seconds: float, labels: int, start: float = 0.0) -> list[float]:
    return (start + seconds * np.arange(labels)).tolist()


def test_one_person_who_labels_every_20_seconds_gives_180_an_hour():
    pace = pace_of([every(20, 61)])
    assert pace.labels_per_hour == pytest.approx(180)
    assert pace.hours(90) == pytest.approx(0.5)


def test_a_break_and_a_night_are_no_work():
    morning, afternoon, next_day = every(20, 40), every(20, 40, start=9_000), every(20, 40, start=DAY_S)
    assert pace_of([[*morning, *afternoon, *next_day]]).labels_per_hour == pytest.approx(180)


def test_two_people_at_once_are_twice_as_fast():
    assert pace_of([every(20, 61), every(20, 61, start=7)]).labels_per_hour == pytest.approx(360, rel=0.02)


def test_the_last_hours_of_work_count_alone():
    slow, fast = every(120, 100), every(10, 1_000, start=DAY_S)
    assert pace_of([[*slow, *fast]]).labels_per_hour == pytest.approx(360)


def test_labels_that_were_imported_tell_no_pace():
    assert pace_of([[1_000.0] * 5_000]) is None
    assert pace_of([every(0.01, 5_000)]) is None
    by_hand = every(20, 61, start=DAY_S)
    assert pace_of([[*every(0.01, 5_000), *by_hand]]).labels_per_hour == pytest.approx(180)


def test_with_few_labels_nobody_can_tell():
    assert pace_of([]) is None
    assert pace_of([[], [5.0]]) is None
    assert pace_of([every(20, LEAST_LABELS)]) is None
    assert pace_of([every(3_600, 500)]) is None


def test_the_order_of_the_times_does_not_matter():
    times = every(20, 100)
    np.random.default_rng(0).shuffle(times)
    assert pace_of([times]) == pace_of([sorted(times)])


def test_who_labelled_less_than_a_break_before_the_newest_label_is_at_work():
    ann, ben, cem = every(20, 40), every(20, 10), every(20, 5, start=1_200)
    assert people_at_work([ann]) == 1
    assert people_at_work([ann, ben]) == 1
    assert people_at_work([ann, ben, cem]) == 2
    assert people_at_work([[], ann]) == 1
    assert people_at_work([]) == 0
