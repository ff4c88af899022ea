"""What a page shows of texts that nobody labelled, and what its buttons ask of a worker."""

import time

import numpy as np
import pytest

from backend.rounds.asking.wishes import SAMPLED
from backend.settings import Settings
from backend.store.applied import Checked, Errand, ErrandKind, ErrandReport, Form, Given, NextUpTab, Run, Sample, Wish
from backend.store.figures import Pause
from backend.store.tasks import StoredTask, TaskStore
from backend.web.app import create_app
from backend.web.classifying import WebClassifier
from backend.web.service import Service
from model.encoder.classifier import TextClassifier, new_classifier
from tests import shown_projects
from tests.exports import write_version
from tests.fakes import SENTIMENT, FakeRounds, a_sync_record, labeling_config, some_places, write_publication
from tests.unit.backend.web.pages.test_project_pages import EVIL, HTML, Page

PROMISED = Checked(
    at=1.8e9,
    precision=0.9,
    question="sentiment",
    model=1,
    is_promised=True,
    tasks=1_840,
    copies=12,
    share=0.613,
    expected=0.982,
    interval=(0.952, 0.996),
    said=("1828 of 2990 unlabelled texts get a label.",),
)


class Shown:
    """A project with a model version, and a browser that looks at it."""

    def __init__(self, settings: Settings) -> None:
        self.service = Service(settings, FakeRounds(), WebClassifier())
        self.rounds = self.service.rounds
        self.browser = create_app(self.service).test_client()
        self.folder = self.service.folder(1)

    def page(self) -> Page:
        return Page(self.browser.get("/projects/1", headers=HTML))

    def press(self, action: str, **fields: str):
        return self.browser.post(
            f"/projects/1/{action}", data={"form_token": self.page().token(), **fields}, headers=HTML
        )


@pytest.fixture(scope="module")
def classifier(encoder) -> TextClassifier:
    return new_classifier(encoder, SENTIMENT)


@pytest.fixture
def shown(tmp_path, classifier) -> Shown:
    shown = Shown(Settings(model_dir=tmp_path))
    shown_projects.connected(shown.folder)
    shown.folder.label_config.write(labeling_config())
    shown.folder.sync_record.write(a_sync_record(questions=("sentiment",)))
    write_version(shown.folder.registry, classifier, "sentiment")
    return shown


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"do": "check", "precision": "0.9"}, {"kind": ErrandKind.CHECK, "precision": 0.9}),
        ({"do": "predictions"}, {"kind": ErrandKind.WRITE, "form": Form.PREDICTIONS, "precision": 0.95}),
        ({"do": "annotations", "question": "tone"}, {"form": Form.ANNOTATIONS, "question": "tone"}),
        ({"do": "sample", "count": "72"}, {"kind": ErrandKind.SAMPLE, "count": 72}),
        ({"do": "undo"}, {"kind": ErrandKind.UNDO}),
    ],
    ids=lambda value: value.get("do", "") if isinstance(value, dict) else "",
)
def test_a_button_asks_a_worker_and_leads_back_to_the_page(shown, fields, expected):
    answer = shown.press("apply", **fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/projects/1?done=errand")
    assert shown.rounds.errands == {1}
    asked = shown.folder.errand.read()
    assert {name: getattr(asked, name) for name in expected} == expected
    assert "as soon as one is free" in shown.browser.get(answer.headers["Location"], headers=HTML).text


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"sought": " my card was stolen "}, {"words": "my card was stolen", "count": 30}),
        ({"by": "like", "sought": "4711", "count": "5"}, {"like": 4711, "count": 5}),
        ({"by": "label", "sought": "pos"}, {"label": "pos"}),
    ],
    ids=["words", "like", "label"],
)
def test_a_search_asks_a_worker(shown, fields, expected):
    assert shown.press("find", **fields).status_code == 303
    asked = shown.folder.errand.read()
    assert asked.kind is ErrandKind.FIND
    assert {name: getattr(asked, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("action", "fields", "said"),
    [
        ("apply", {"do": "burn"}, "no known button"),
        ("apply", {"do": "check", "precision": "1"}, "a share from 0.5 to 0.999"),
        ("apply", {"do": "check", "precision": "nan"}, "a share from 0.5 to 0.999"),
        ("apply", {"do": "sample", "count": "0"}, "'count' has to be a number from 1 to 1000"),
        ("find", {"sought": "  "}, "say what to look for"),
        ("find", {"sought": "x" * 1001}, "more than 1000 characters"),
        ("find", {"by": "like", "sought": "the third"}, "'sought' has to be a number"),
        ("find", {"by": "magic", "sought": "x"}, "by words, like a task's text, or by a label"),
    ],
)
def test_what_no_form_of_ours_sends_is_refused_on_the_page_and_nobody_is_asked(shown, action, fields, said):
    refused = shown.press(action, **fields)
    assert refused.status_code == 409
    assert said in Page(refused).words
    assert shown.folder.errand.read() is None
    assert shown.rounds.errands == set()


def test_a_form_without_the_pages_token_is_refused(shown):
    for action in ("apply", "find", "find/end", "stop"):
        assert shown.browser.post(f"/projects/1/{action}", data={"do": "undo"}, headers=HTML).status_code == 403
    assert shown.folder.errand.read() is None


def test_one_thing_is_done_at_a_time_and_can_be_stopped(shown):
    shown.press("apply", do="check")
    page = shown.page()
    assert "Stop it" in page.buttons()
    assert not {"Check what can be promised", "Find"} & set(page.buttons())
    (script,) = page.tree.xpath("//script")
    assert "3000" in script.text
    refused = shown.press("find", sought="card")
    assert refused.status_code == 409
    assert "wait for its end, or stop it" in Page(refused).words
    assert shown.folder.errand.read().kind is ErrandKind.CHECK

    assert shown.press("stop").headers["Location"] == "/projects/1?done=stop"
    assert shown.folder.errand.read() is None
    assert shown.rounds.errands == set()
    assert "Check what can be promised" in shown.page().buttons()


def test_progress_is_shown_until_the_end_and_then_what_was_done(shown):
    shown.press("apply", do="check")
    of = shown.folder.errand.read().at
    shown.folder.errand_report.write(ErrandReport(of, 40, 100))
    assert "Check what can be promised: 40 of 100 (40.0 %) of this step" in shown.page().words
    shown.folder.errand_report.write(ErrandReport(of, ended_at=time.time(), said=("It is done.",)))
    shown.rounds.errands.clear()
    page = shown.page()
    assert "It is done." in page.words
    assert not page.tree.xpath("//script")
    shown.folder.errand_report.write(ErrandReport(of, ended_at=time.time(), wrong="Label Studio is away"))
    assert "Label Studio is away" in shown.page().words


def test_an_errand_that_no_worker_will_do_any_more_is_said_to_be_lost(shown):
    shown.press("apply", do="check")
    shown.rounds.errands.clear()
    page = shown.page()
    assert "no worker does it any more" in page.words
    assert "Check what can be promised" in page.buttons()


def test_what_can_be_promised_is_shown_with_the_buttons_that_write_it(shown):
    assert not [words for words in shown.page().buttons() if words.startswith("Write ")]
    shown.folder.checked.write(PROMISED)
    page = shown.page()
    assert "Would get a label1,84061.3 % of the texts without one, 12 of them copies" in page.words
    assert "98.2 %between 95.2 % and 99.6 %" in page.words
    assert "1828 of 2990 unlabelled texts get a label." in page.words
    assert "Another version is in use" not in page.words
    assert [words for words in page.buttons() if words.startswith("Write ")] == [
        "Write 1,840 predictions",
        "Write 1,840 annotations",
    ]
    assert page.tree.xpath('//input[@type="hidden"][@name="precision"]/@value') == ["0.9"]


def test_a_promise_of_an_earlier_model_version_says_that_it_is_old(shown, classifier):
    shown.folder.checked.write(PROMISED)
    write_version(shown.folder.registry, classifier, "sentiment")
    assert "Another version is in use now: check again." in shown.page().words


def test_what_is_missing_for_a_promise_is_shown_and_nothing_can_be_written(shown):
    shown.folder.checked.write(Checked(1.8e9, 0.95, "sentiment", 1, is_promised=False, reason="46 labels are missing"))
    page = shown.page()
    assert "46 labels are missing" in page.words
    assert not [words for words in page.buttons() if words.startswith("Write ")]


def test_several_questions_are_labelled_by_predictions_alone(shown):
    config = labeling_config().replace(
        "</View>",
        '<Choices name="tone" toName="text"><Choice value="up"/><Choice value="down"/></Choices></View>',
    )
    shown.folder.label_config.write(config)
    shown.folder.sync_record.write(a_sync_record(questions=("sentiment", "tone"), further=(a_sync_record().facts,)))
    shown.folder.checked.write(PROMISED)
    page = shown.page()
    assert page.tree.xpath("//select[@name='question']/option/text()") == ["sentiment", "tone"]
    assert [words for words in page.buttons() if words.startswith("Write ")] == ["Write 1,840 predictions"]


def test_annotations_that_would_leave_a_control_without_an_answer_cannot_be_written(shown):
    spans = '<Labels name="names" toName="text"><Label value="who"/><Label value="where"/></Labels></View>'
    shown.folder.label_config.write(labeling_config().replace("</View>", spans))
    shown.folder.checked.write(PROMISED)
    page = shown.page()
    assert [words for words in page.buttons() if words.startswith("Write ")] == ["Write 1,840 predictions"]
    assert "Label Studio takes the tasks for done" not in page.words
    assert "change no order. They can be taken back." in page.words


def test_before_the_first_training_nothing_is_promised_and_texts_can_be_found(tmp_path):
    shown = Shown(Settings(model_dir=tmp_path))
    shown_projects.connected(shown.folder)
    page = shown.page()
    assert "After the first training" in page.words
    assert "Find" in page.buttons()
    assert "Check what can be promised" not in page.buttons()


def test_a_search_is_shown_with_its_texts_and_ended_by_a_button(shown):
    shown.folder.wish.write(Wish(1.8e9, "find: stolen card", tuple(range(1, 13))))
    with TaskStore(shown.folder.tasks_file) as tasks:
        tasks.put(StoredTask(id_, f"My card, stolen {id_} times") for id_ in range(1, 13))
    page = shown.page()
    assert "find: stolen card" in page.words
    assert [row[0] for row in page.rows("found")] == [str(id_) for id_ in range(1, 11)]
    assert page.rows("found")[0][1] == "My card, stolen 1 times"
    assert shown.press("find/end").headers["Location"] == "/projects/1?done=end"
    assert shown.folder.wish.read() is None
    assert shown.rounds.requests == [{"project": 1, "changes": 0, "train": False}]


def test_found_texts_come_next_once_an_order_has_them_first_and_a_paused_project_has_no_such_order(shown):
    shown.folder.wish.write(Wish(1.8e9, "find: card", (10, 11, 12, 99)))
    write_publication(shown.folder, 4, queued=4)
    assert "3 of 4 found texts wait for a label, and come next, in a moment." in shown.page().words
    shown.folder.pause.write(Pause(1.8e9))
    assert "and come next, once somebody resumes the project, which is paused." in shown.page().words
    reasons = ("find: card", "find: card", "skipped before", "random sample")
    write_publication(shown.folder, 4, some_places(4, reasons_N=reasons), number=2, queued=4)
    assert "2 of 4 found texts wait for a label, and come next." in shown.page().words
    write_publication(shown.folder, 4, some_places(4, task_ids_N=np.arange(50, 54)), number=3, queued=4)
    assert "0 of 4 found texts wait for a label." in shown.page().words


def test_a_sample_that_people_have_answered_waits_for_a_check_and_for_nobody_else(shown):
    given = {id_: Given(("pos",), 0.99) for id_ in range(10, 50)}
    shown.folder.sample.write(Sample(1.8e9, 1, "sentiment", 0.9, 0.95, 5, 5, given, (10, 11, 12)))
    reasons = (SAMPLED, SAMPLED, "skipped before", "random sample")
    write_publication(shown.folder, 4, some_places(4, reasons_N=reasons), queued=4)
    waits = "2 of them wait for a label, and come next without the classifier's answer. Check again"
    assert waits in shown.page().words
    write_publication(shown.folder, 4, some_places(4, task_ids_N=np.arange(50, 54)), number=2, queued=4)
    assert "People have answered all of them: check again." in shown.page().words
    assert "come next" not in shown.page().words


def test_what_was_labelled_is_listed_with_the_way_back(shown):
    assert not shown.page().rows("applied")
    runs = [
        Run("7.apply-1", Form.PREDICTIONS, "d", 1_840, 0.95, 1.8e9, is_done=True),
        Run("7.apply-2", Form.ANNOTATIONS, "d", 300, 0.9, 1.8e9),
    ]
    shown.folder.applied.write(runs)
    shown.folder.sync_record.write(a_sync_record(questions=("sentiment",), applied=120))
    page = shown.page()
    first, second = page.rows("applied")
    assert first[:4] == ["7.apply-1", "predictions", "1,840", "95.0 %"]
    assert (first[5], second[5]) == ("all", "in part: write again, and it goes on")
    assert "Labelled by Shortlist120" in page.words
    assert "Delete what Shortlist labelled" in page.buttons()


def test_a_sample_that_waits_is_shown_and_can_be_taken_back(shown):
    given = {id_: Given(("pos",), 0.99) for id_ in range(1, 41)}
    shown.folder.sample.write(Sample(1.8e9, 1, "sentiment", 0.9, 0.95, 5, 5, given, tuple(range(1, 31))))
    page = shown.page()
    assert "30 of 40 texts that would get a label (90.0 %) are a sample for people" in page.words
    assert "Take the sample back" in page.buttons()
    assert page.tree.xpath('//input[@name="precision"]/@value') == ["0.9"]


@pytest.mark.parametrize("name", ["errand", "errand_report", "checked", "wish", "next_up"])
def test_a_damaged_record_is_set_aside_and_the_page_goes_on_without_it(shown, name):
    shown_projects.what_nobody_labelled(shown.folder)
    (shown.folder.path / f"{name}.json").write_bytes(b"half a rec")
    page = shown.page()
    assert page.answer.status_code == 200
    assert f"Damaged or missing on disk: {name}.json" in shown.page().words
    assert "Find" in page.buttons()


def test_the_page_leads_to_the_tab_of_the_data_manager_once_there_is_one(shown):
    write_publication(shown.folder, 5, queued=2)
    link = "//a[contains(text(), 'Data Manager')]/@href"
    assert shown.page().tree.xpath(link) == []
    shown.folder.next_up.write(NextUpTab(1.8e9, problem="it refused"))
    assert shown.page().tree.xpath(link) == []
    shown.folder.next_up.write(NextUpTab(1.8e9, view_id=7))
    assert shown.page().tree.xpath(link) == ["http://localhost:8080/projects/1/data?tab=7"]


def test_what_strangers_wrote_is_shown_as_it_is(shown):
    shown.folder.label_config.write(
        '<View><Text name="text" value="$text"/><Choices name="sentiment" toName="text"><Choice value="&lt;b&gt;x"/>'
        '<Choice value="y"/></Choices></View>'
    )
    shown.folder.errand.write(Errand(ErrandKind.FIND, 5.0, words=EVIL))
    shown.folder.errand_report.write(ErrandReport(5.0, ended_at=6.0, wrong=EVIL))
    shown.folder.wish.write(Wish(1.8e9, f"find: {EVIL}", (1,)))
    shown.folder.checked.write(Checked(1.8e9, 0.95, EVIL, 1, is_promised=False, reason=EVIL, said=(EVIL,)))
    shown.folder.applied.write([Run(EVIL, Form.PREDICTIONS, "d", 1, 0.95, 1.8e9)])
    with TaskStore(shown.folder.tasks_file) as tasks:
        tasks.put([StoredTask(1, EVIL)])
    page = shown.page()
    assert page.words.count(EVIL) >= 6
    assert not page.tree.xpath("//script | //b")
    assert page.tree.xpath("//datalist/option/@value") == ["<b>x", "y"]
