from dataclasses import replace

import pytest

from backend.errors import UnsupportedConfigError
from backend.rounds.sync import read_targets, sync
from backend.settings import ProjectSettings, Settings
from backend.store.project_folder import ProjectFolder
from backend.store.sync_record import NoText, Unread
from backend.store.tasks import TaskStore
from backend.studio.records import AnnotatedTask
from backend.work.requests import Requested
from model.types import Annotation, PoolText
from tests.fake_tasks import TaskedLabelStudio
from tests.fakes import FakeTurn, a_context, a_sync_record, chosen, labeling_config, the_task

FILMS = ("good film", "bad film", "dull plot", "fine cast", "poor cast", "great plot")


@pytest.fixture
def studio():
    return TaskedLabelStudio(FILMS)


@pytest.fixture
def read(tmp_path, studio):
    """Sync the project; return the result and the requests that Label Studio got."""

    def read(*changed, are_all_named=True, is_thorough=False, turn=None):
        turn = turn or FakeTurn()
        turn.requested = Requested(changed_tasks=frozenset(changed), are_all_named=are_all_named)
        studio.asked.clear()
        project = studio.project(1)
        context = a_context(Settings(model_dir=tmp_path, bert_model="an/encoder"), studio, turn)
        (synced,) = sync(context, project, ProjectSettings(), is_thorough)
        return synced, list(studio.asked)

    return read


@pytest.fixture
def time_passes(tmp_path):
    """Move the times in the store back by some seconds."""

    def time_passes(**seconds):
        with TaskStore(ProjectFolder(tmp_path, 1).tasks_file) as store:
            facts = store.facts()
            store.note({name: facts[name] - passed_s for name, passed_s in seconds.items()})

    return time_passes


def texts(synced) -> dict[int, str]:
    return {text.task_id: text.text for text in synced.pool}


def labels(synced) -> dict[int, str]:
    rows = zip(synced.targets.task_ids, synced.targets.targets_N_C.argmax(axis=1), strict=True)
    return {task_id: synced.task.label_set.labels[row] for task_id, row in rows}


def test_tasks_that_want_labels_are_the_pool(studio, read):
    studio.annotate(2, "neg")
    studio.annotate(3, is_skipped=True)
    studio.edit(4, " ")
    synced, _ = read()
    assert synced.pool == (
        PoolText(1, "good film"),
        PoolText(3, "dull plot", is_skipped=True),
        PoolText(4, ""),
        PoolText(5, "poor cast"),
        PoolText(6, "great plot"),
    )
    assert labels(synced) == {2: "neg"}
    assert synced.encoder == "an/encoder"


def test_tasks_without_text_are_logged(studio, read, caplog):
    studio.add("", "")
    read()
    assert "event=no_text project=1 tasks=2 first=7" in caplog.text


def test_most_tasks_without_text_are_told_with_the_keys_that_there_are(studio, read):
    assert read()[0].no_text is None
    for task_id in (1, 2, 3):
        studio.edit(task_id, "")
    assert read(1, 2, 3)[0].no_text is None
    for task_id in (4, 5):
        studio.give(task_id, {"body": "a film", "title": "Jaws"})
    found = read(4, 5)[0].no_text
    assert found == NoText(5, 6, ("text",), ("text", "body", "title"))
    assert found.sentence == (
        "5 of 6 tasks have no text: the labeling config asks for 'text', and the tasks have 'text', 'body', 'title'"
    )
    for task_id in (1, 2, 3):
        studio.edit(task_id, "a text again")
    assert read(1, 2, 3)[0].no_text is None


def test_tasks_that_label_studio_fails_to_show_are_remembered_until_they_can_be_read_or_are_deleted(studio, read):
    studio.fail_to_show(2, 3, 5)
    assert read()[0].unreadable == (2, 3, 5)
    assert texts(read()[0])[2] == ""
    studio.edit(2, "bad film")
    synced, _ = read(2)
    assert synced.unreadable == (3, 5)
    assert texts(synced)[2] == "bad film"
    studio.delete(3)
    assert read(3)[0].unreadable == (5,)
    studio.delete(5)
    assert read(are_all_named=False)[0].unreadable == ()


def test_answers_that_cannot_be_used_are_left_out(studio, read):
    studio.edit(2, "  ")
    studio.annotate(2)
    studio.annotate(5, "angry")
    studio.annotate(1, "neg")
    synced, _ = read()
    assert labels(synced) == {1: "neg"}
    assert [left.task_id for left in synced.left_out] == [2, 5]


def test_an_answer_that_was_left_out_counts_once_it_is_corrected(studio, read):
    studio.annotate(5, "angry")
    read()
    studio.annotate(5, "pos")
    synced, _ = read(5)
    assert (labels(synced), synced.left_out) == ({5: "pos"}, ())


def test_a_config_that_cannot_be_learned_is_refused_before_anything_is_read(studio, read):
    studio.told = replace(studio.told, label_config="<View/>")
    with pytest.raises(UnsupportedConfigError):
        read()
    assert studio.asked == []


def test_an_empty_project_is_no_error_and_its_first_tasks_are_found(studio, read):
    studio.tasks_now.clear()
    assert read()[0].pool == ()
    studio.add("a film")
    assert texts(read()[0]) == {1: "a film"}


def test_the_first_reading_says_how_far_it_is(read):
    turn = FakeTurn()
    read(turn=turn)
    assert turn.done == [(4, 6), (6, 6)]


def test_an_unchanged_project_is_not_read_again(read):
    first, asked = read()
    assert asked == ["all"]
    again, asked = read()
    assert (again.pool, asked) == (first.pool, [])


def test_only_the_task_of_a_named_annotation_is_read(studio, read):
    read()
    studio.annotate(2, "neg")
    synced, asked = read(2)
    assert asked == ["by id 2"]
    assert labels(synced) == {2: "neg"}
    assert 2 not in texts(synced)


def test_tasks_that_a_round_without_due_work_was_told_of_are_read_by_the_next_round(tmp_path, studio, read):
    read()
    record = a_sync_record(unread=Unread(1, frozenset({2})))
    ProjectFolder(tmp_path, 1).sync_record.write(record)
    assert read(5)[1] == ["by id 2 5"]


def test_a_corrected_and_a_withdrawn_annotation_are_read(studio, read):
    studio.annotate(1, "neg")
    studio.annotate(2, "neg")
    read()
    studio.annotate(1, "pos")
    studio.take_back(2)
    synced, asked = read(1, 2)
    assert asked == ["by id 1 2"]
    assert labels(synced) == {1: "pos"}
    assert 2 in texts(synced)


def test_only_new_tasks_are_read(studio, read):
    read()
    new = studio.add(*(f"film {number}" for number in range(6)))
    studio.annotate(new[1])
    for named in ((), new):
        synced, asked = read(*named)
        if not named:
            assert asked == ["above 6", f"by id {new[1]}"]
        assert len(synced.pool) == len(FILMS) + 5
        assert labels(synced) == {new[1]: "pos"}


def test_deleted_tasks_are_gone_whether_or_not_an_event_named_them(studio, read):
    studio.annotate(2)
    read()
    studio.delete(1)
    assert read(1)[1] == ["by id 1"]
    studio.delete(2)
    synced, asked = read()
    assert asked[-1] == "all" or asked[-2] == "all"
    assert (list(texts(synced)), labels(synced)) == ([3, 4, 5, 6], {})


def test_as_many_new_tasks_as_deleted_ones_are_noticed(studio, read):
    read()
    studio.delete(1)
    (new,) = studio.add("another film")
    synced, _ = read(new)
    assert list(texts(synced)) == [2, 3, 4, 5, 6, new]


def test_annotations_without_an_event_are_found_by_counts_and_update_times(studio, read):
    studio.annotate(1)
    read()
    studio.annotate(3, "neg")
    synced, asked = read()
    assert asked == ["since", "by id 3"], "the annotation of task 1 is known"
    assert labels(synced) == {1: "pos", 3: "neg"}


def test_an_event_that_names_no_task_starts_a_look_at_the_update_times(studio, read):
    studio.annotate(1, "neg")
    read()
    studio.annotate(1, "pos")
    synced, asked = read(are_all_named=False)
    assert asked == ["since", "by id 1"]
    assert labels(synced) == {1: "pos"}


def test_a_changed_text_without_an_event_is_found_within_a_minute(studio, read, time_passes):
    read()
    studio.edit(4, "lovely cast")
    assert texts(read()[0])[4] == "fine cast"
    time_passes(looked_at=61)
    synced, asked = read()
    assert asked == ["since"]
    assert texts(synced)[4] == "lovely cast"
    assert read()[1] == [], "the next look has a minute's time"


def test_a_change_during_a_look_is_found_by_the_next_look(studio, read, time_passes):
    studio.while_reading.append(lambda: studio.edit(1, "a good film"))
    assert texts(read()[0])[1] == "good film"
    studio.pass_time(hours=1)
    studio.edit(2, "a bad film")
    time_passes(looked_at=61)
    assert {1: "a good film", 2: "a bad film"}.items() <= texts(read()[0]).items()


def test_annotations_during_a_full_read_cause_no_second_full_read(studio, read):
    studio.while_reading.append(lambda: studio.annotate(1, "pos"))
    read()
    synced, asked = read(1)
    assert asked == ["by id 1"]
    assert labels(synced) == {1: "pos"}


def test_counts_that_never_agree_cause_only_one_full_read(studio, read):
    studio.uncounted = 3
    read()
    assert read()[1] == []
    studio.annotate(1)
    assert read(1)[1] == ["by id 1"]
    studio.uncounted = 0
    assert "all" in read()[1]
    assert read()[1] == []


def test_labels_that_label_studio_does_not_count_are_read_though_all_tasks_are_read_anew(studio, read, time_passes):
    studio.annotate(1, "pos")
    studio.annotate(5, "neg")
    studio.miscounted = {1, 5}
    synced, asked = read()
    assert labels(synced) == {1: "pos", 5: "neg"}
    assert "export" not in asked
    assert {1, 5}.isdisjoint(texts(synced))
    time_passes(looked_at=61)
    assert labels(read()[0]) == {1: "pos", 5: "neg"}


def test_uncounted_labels_of_tasks_that_want_more_of_them_are_found_by_an_export(studio, read):
    studio.annotate(1, "pos")
    studio.annotate(2, "neg")
    studio.want_more_annotations()
    studio.miscounted = {2}
    synced, asked = read()
    assert labels(synced) == {1: "pos", 2: "neg"}
    assert asked[-2:] == ["export", "by id 2"]
    assert read()[1] == [], "the counts agree"


def test_a_project_that_wants_more_annotations_of_each_task_opens_tasks_again(studio, read):
    studio.annotate(1)
    studio.pass_time(hours=1)
    studio.edit(2, "a bad film")
    read()
    studio.want_more_annotations()
    synced, asked = read()
    assert asked[:2] == ["since", "all"]
    assert 1 in texts(synced)


def test_another_labeling_config_or_another_project_with_the_same_id_causes_a_full_read(studio, read):
    read()
    studio.told = replace(studio.told, label_config=labeling_config("neg", "pos", "none"))
    assert read()[1] == ["all"]
    studio.told = replace(studio.told, created_at="2026-02-02T00:00:00+00:00")
    assert read()[1] == ["all"]


def test_a_change_without_a_trace_is_found_before_a_training_once_an_hour(studio, read, time_passes):
    read()
    studio.edit_without_trace(1, "another film")
    assert texts(read(is_thorough=True)[0])[1] == "good film"
    time_passes(read_at=3601)
    assert texts(read()[0])[1] == "good film"
    assert texts(read(is_thorough=True)[0])[1] == "another film"


def test_slow_full_reads_are_less_frequent(read, time_passes):
    read()
    time_passes(read_s=-600, read_at=3601)
    assert read(is_thorough=True)[1] == []
    time_passes(read_at=60_000)
    assert read(is_thorough=True)[1] == ["all"]


def test_a_clock_that_was_set_back_does_not_stop_the_looking(read, time_passes):
    read()
    time_passes(looked_at=-1000)
    assert read()[1] == ["since"]


def test_a_broken_file_is_set_aside_and_all_tasks_are_read(tmp_path, read, caplog):
    first, _ = read()
    file = ProjectFolder(tmp_path, 1).tasks_file
    whole = file.read_bytes()
    for broken in (b"no database", whole[:4096] + b"\xff" * (len(whole) - 4096)):
        file.write_bytes(broken)
        again, asked = read()
        assert (again.pool, asked) == (first.pool, ["all"])
    assert caplog.text.count("event=set_aside") == 2


def test_the_meaning_of_labels_comes_from_the_config_and_the_projects_description(studio, tmp_path):
    project = replace(studio.project(1), description="<p>Is the film <b>good</b>?</p>")

    def label_texts(**own):
        settings = ProjectSettings(**own)
        return sync(a_context(Settings(model_dir=tmp_path), studio), project, settings)[0].label_texts

    assert label_texts() == (("neg", "Is the film good? neg"), ("pos", "Is the film good? pos"))
    assert label_texts(label_descriptions={"pos": "praise"})[1][0] == "praise"
    assert label_texts(names="off") == ((), ())


def test_the_background_samples_the_whole_pool_unless_pool_is_off(read):
    synced, _ = read()
    assert set(synced.background.pool) == set(FILMS)
    large = replace(synced, pool=tuple(PoolText(id_, f"text {id_}") for id_ in range(10_000)))
    numbers = [int(text.split()[1]) for text in large.background.pool]
    assert len(numbers) == 2_000
    assert (numbers[0], numbers[-1]) == (0, 9_995)
    off = replace(synced, settings=ProjectSettings(pool="off"))
    assert off.background.pool == ()


def test_a_text_without_words_teaches_nothing(read):
    synced, _ = read()
    odd = replace(synced, pool=(PoolText(1, "  "), PoolText(2, "good film")))
    assert odd.background.pool == ("good film",)


def test_an_exported_text_that_is_cut_ends_in_a_mark(studio):
    long = {"text": "good film " * 10_000}
    studio.annotated_tasks = lambda *_: [AnnotatedTask(1, long, (Annotation("ann", chosen("pos")),))]
    ((_, given),) = read_targets(studio, 1, [the_task(labeling_config())])
    (text,) = given.targets.texts
    assert text.endswith(" […]")


def test_the_pace_is_that_of_the_people_whatever_they_answer(studio, read):
    for task_id in studio.add(*(f"film {row}" for row in range(40))):
        studio.pass_time(seconds=19)
        studio.annotate(task_id, who="ann" if task_id % 2 else "bob")
    synced, _ = read(is_thorough=True)
    assert synced.pace.labels_per_hour == pytest.approx(180)
    assert read()[0].pace == synced.pace


def test_without_labels_there_is_no_pace(read):
    assert read()[0].pace is None
