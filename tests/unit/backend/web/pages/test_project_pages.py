"""The pages for people: their figures, their buttons, and who may press them."""

import json
import re
import shutil

import numpy as np
import pytest
from lxml import html

from backend.rounds.round import Round
from backend.settings import Settings
from backend.store.connection import Connection
from backend.store.figures import ClassCount, Pause, QuestionFigures
from backend.store.project_folder import ProjectFolder
from backend.store.sync_record import Failure
from backend.store.tasks import StoredTask, TaskStore
from backend.web.app import create_app
from backend.web.classifying import WebClassifier
from backend.web.report.charts import random_accuracy
from backend.web.service import Service
from backend.work.classifiers import Classifiers
from backend.work.states import IDLE, TRAINING, RoundState
from model.figures.annotators import Annotator, People
from model.figures.held_out import ClassFigures, Confusion
from model.figures.label_errors import Suspect
from model.figures.shares import Share
from model.judging.fair_sample import draw_numbers
from model.judging.pace import Pace
from tests import page_figures
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import FakeRounds, FakeTurn, a_context, a_sync_record, labeling_config, some_places, write_publication
from tests.unit.backend.films import FILMS, sentiment

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
EVIL = '<script>alert("x")</script> & <b>film</b>'
OWN = {"names": "off", "cold_start": "random", "strategy": "margin", "explore": 0.1}
LABELLED = 28


class Page:
    """A page as a browser shows it, without scripts."""

    def __init__(self, answer) -> None:
        self.answer = answer
        self.tree = html.fromstring(answer.get_data())

    @property
    def words(self) -> str:
        return " ".join(self.tree.text_content().split())

    def rows(self, table: str) -> list[list[str]]:
        cells = lambda row: [" ".join(cell.text_content().split()) for cell in row.xpath("th|td")]  # noqa: E731
        return [cells(row) for row in self.tree.xpath(f'//table[@data-table="{table}"]/tbody/tr')]

    def token(self) -> str:
        return self.tree.xpath('//input[@name="form_token"]/@value')[0]

    def buttons(self) -> list[str]:
        return [" ".join(button.text_content().split()) for button in self.tree.xpath("//button")]


@pytest.fixture(scope="module")
def grown(tmp_path_factory, encoder) -> Settings:
    """A project that three people labelled, one of them badly, with two trainings."""
    settings = Settings(
        model_dir=tmp_path_factory.mktemp("grown"),
        bert_model=encoder,
        retrain_every=8,
        query_size=5,
        queue_size=20,
        recipe="head",
    )
    studio = WholeLabelStudio(FILMS, label_config=labeling_config("neg", "pos", "meh"))
    studio.extra_params = OWN
    classifiers = Classifiers(1)

    def round_(changes: int, trains: bool = False) -> None:
        Round(a_context(settings, studio, FakeTurn(1, changes, trains), classifiers)).run()

    rng = np.random.default_rng(0)
    ranked = np.argsort(draw_numbers(np.arange(1, 41))) + 1
    # Chosen texts first, then those that the random places come to first. Everybody is wrong about one of each.
    order = [*ranked[24:].tolist(), *ranked[:12].tolist()]
    wrong = {order[0], order[-1]}
    for count, task_id in enumerate(order, 1):
        gold = (
            {"neg": "pos", "pos": "neg"}[sentiment(FILMS[task_id - 1])]
            if task_id in wrong
            else sentiment(FILMS[task_id - 1])
        )
        for who, slips in (("3", 0.0), ("5", 0.1), ("11", 0.4)):
            if who == "3" or rng.random() < 0.6:
                label = rng.choice(["neg", "pos", "meh"]) if rng.random() < slips else gold
                studio.annotate(int(task_id), str(label), who)
        if count in (16, LABELLED):
            round_(count, trains=True)
    return settings


def browser_of(settings: Settings, **state):
    rounds = FakeRounds()
    if state:
        rounds.current = RoundState(**state)
    service = Service(settings, rounds, WebClassifier())
    return service, create_app(service).test_client()


@pytest.fixture(scope="module")
def page(grown) -> Page:
    return Page(browser_of(grown)[1].get("/projects/1", headers=HTML))


@pytest.fixture
def folder(grown):
    return ProjectFolder(grown.model_dir, 1).path


# Every figure, computed anew from the data folder


def test_the_table_of_classes_is_that_of_the_data_folder(page, folder):
    counted = page_figures.classes(folder)
    rows = page.rows("classes")
    assert sorted(row[0] for row in rows) == sorted(counted)
    for label, texts, _, precision, recall, f1 in rows:
        given, said, both = counted[label]
        assert int(texts) == given
        assert precision == (f"{100 * both / said:.1f} % {both} of {said}" if said else "— 0 of 0")
        assert recall == (f"{100 * both / given:.1f} % {both} of {given}" if given else "— 0 of 0")
        assert f1 == (f"{2 * both / (given + said):.3f}" if given + said else "—")


def test_the_matrix_of_confusions_is_that_of_the_data_folder(page, folder):
    counted = page_figures.pairs(folder)
    labels = page_figures.held_out(folder)[0]
    for given, *cells in page.rows("matrix"):
        assert [int(cell) for cell in cells] == [counted[given, said] for said in labels]


def test_the_learning_curve_ends_with_the_figures_of_the_data_folder(page, folder):
    newest, oldest = page.rows("curve")
    assert [row[:2] for row in (newest, oldest)] == [["2", str(LABELLED)], ["1", "16"]]
    of_fair = page_figures.fair_tasks(folder, "sentiment")
    assert len(of_fair) >= 10
    for cell, (right, of) in (
        (newest[2], page_figures.right(folder, of_fair)),
        (newest[3], page_figures.right(folder)),
    ):
        low, high = page_figures.wilson(right, of)
        assert cell == f"{100 * right / of:.1f} % {right} of {of}, {100 * low:.1f} % to {100 * high:.1f} %"


def test_what_random_labelling_would_have_given_is_the_fair_figure_less_the_paired_difference(page, grown):
    newest = ProjectFolder(grown.model_dir, 1).trainings.read()[-1]
    assert newest.random.texts >= 10
    fair = newest.fair.count / newest.fair.of
    bounds = (fair - newest.random.gain, fair - newest.random.high, fair - newest.random.low)
    expected = [100 * min(1.0, max(0.0, bound)) for bound in bounds]
    assert page.rows("curve")[0][4] == f"{expected[0]:.1f} % {expected[1]:.1f} % to {expected[2]:.1f} %"
    assert random_accuracy(newest) == pytest.approx(tuple(bound / 100 for bound in expected))


def test_the_table_of_calibration_is_that_of_the_data_folder(page, folder):
    expected = [
        [str(answers), f"{100 * confidence:.1f} %", f"{100 * right:.1f} %"]
        for answers, confidence, right in page_figures.calibration(folder)
    ]
    assert page.rows("calibration") == expected


def test_the_annotators_are_those_of_the_data_folder(page, folder):
    said = page_figures.answers(folder, "sentiment")
    counted = page_figures.differences(said)
    assert f"Krippendorff's alpha is {page_figures.alpha(said):.3f}" in page.words
    differing = sum(row[2] for row in counted.values()) // 2
    assert differing > 0
    rows = page.rows("people")
    assert {row[0] for row in rows} == {"3", "5", "11"}
    for name, texts, shared, cell, part in rows:
        expected = counted[name]
        assert (int(texts), int(shared)) == expected[:2]
        assert cell.startswith(f"{100 * expected[2] / expected[1]:.1f} % {expected[2]} of {expected[1]},")
        assert part == f"{100 * expected[2] / 2 / differing:.1f} %"


def test_suspects_are_texts_of_which_the_classifier_says_something_else(page, folder):
    labels, task_ids, targets, proba = page_figures.held_out(folder)
    rows = page.rows("suspects")
    assert rows
    margins = []
    for task, _, given, said in rows:
        row = task_ids.index(int(task))
        gold = page_figures.decided(targets)[row]
        assert given == f"{labels[gold]} {100 * proba[row][gold]:.1f} %"
        suggested = labels.index(said.split()[0])
        assert said == f"{labels[suggested]} {100 * proba[row][suggested]:.1f} %"
        margins.append(proba[row][gold] - proba[row][suggested])
    assert margins == sorted(margins)


def test_versions_and_rounds_are_listed_with_what_they_were_worth(page, folder):
    newest, oldest = page.rows("versions")
    assert (newest[0], newest[2], newest[7]) == ("2", str(LABELLED), "in use")
    assert (oldest[0], oldest[2], oldest[7]) == ("1", "16", "Roll back to 1")
    right, of = page_figures.right(folder)
    assert newest[5] == f"{100 * right / of:.1f} %"
    manifest = page_figures.record(page_figures.current_version(folder) / "manifest.json")
    assert newest[6] == f"{manifest['metrics']['out_of_fold']['macro_f1']:.3f}"


# What people read


def test_what_strangers_wrote_is_shown_as_it_is_and_does_nothing(tmp_path):
    _, browser = browser_of(Settings(model_dir=tmp_path))
    folder = ProjectFolder(tmp_path, 1)
    folder.connection.write(Connection("http://localhost:9090", {}, 5))
    write_publication(folder, 5, queued=2, places=some_places(5, reasons_N=(EVIL,) * 5))
    with TaskStore(folder.tasks_file) as tasks:
        tasks.put([StoredTask(10, f"text {EVIL}")])
    folder.sync_record.write(a_sync_record(questions=(EVIL,), failure=Failure("x", EVIL)))
    confused, suspect = Confusion(EVIL, "b", 2), Suspect(10, EVIL, True, EVIL, 0.1, 0.9)
    people = People((Annotator(EVIL, 3, 2, 1),), 2, 0.5, None, None, 1, 1)
    counts = (ClassCount(EVIL, 3), ClassCount("b", 2))
    classes = (ClassFigures(EVIL, 3, 2, 1), ClassFigures("b", 2, 3, 1))
    folder.figures.write(
        QuestionFigures(
            EVIL,
            "Classification",
            1,
            5,
            counts,
            Share(2, 5),
            Share(1, 2),
            classes,
            (confused,),
            (),
            None,
            (suspect,),
            people,
        )
    )
    page = Page(browser.get("/projects/1", headers=HTML))
    # Reason, text, error, question, class, confusion, suspect and annotator.
    assert page.words.count(EVIL) >= 12
    assert not page.tree.xpath("//script | //b")


def test_next_texts_lead_into_label_studio_with_a_reason(page):
    links = page.tree.xpath("//a/@href")
    assert any(re.fullmatch(r"http://localhost:8080/projects/1/data\?task=\d+", link) for link in links)
    assert "http://localhost:8080/projects/1/data?labeling=1" in links
    assert "margin" in page.words
    assert "The margin is how far the probabilities of the two likeliest answers are apart" in page.words


def test_the_page_loads_nothing_and_runs_nothing_of_strangers(page):
    policy = page.answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    (nonce,) = re.findall(r"style-src 'nonce-([^']+)'", policy)
    assert page.tree.xpath("//style/@nonce") == [nonce]
    assert not page.tree.xpath("//@style | //@onclick | //link | //img | //iframe")


def test_a_running_round_shows_its_progress(grown):
    state = {"state": TRAINING, "progress": {"done": 20, "total": 60, "seconds_left": 8.1}}
    _, browser = browser_of(grown, **state, last_error="", last_error_code="")
    page = Page(browser.get("/projects/1", headers=HTML))
    assert "training" in page.words
    assert "20 of 60, about 8.1 s left" in page.words
    # The counts of the last round do not know which labels the running training has.
    assert "Next trainingruns now" in page.words
    assert "still to label, as of the last round" in page.words
    (script,) = page.tree.xpath("//script")
    assert script.get("nonce")


def test_a_round_that_still_runs_in_a_paused_project_is_shown_as_running_everywhere(grown, tmp_path):
    settings = grown.model_copy(update={"model_dir": tmp_path / "data"})
    shutil.copytree(grown.model_dir, settings.model_dir)
    ProjectFolder(settings.model_dir, 1).pause.write(Pause(1.8e9))
    for state, shown in ((TRAINING, "training"), (IDLE, "paused")):
        _, browser = browser_of(settings, state=state, progress={}, last_error="", last_error_code="")
        page, front = (Page(browser.get(path, headers=HTML)) for path in ("/projects/1", "/"))
        assert f"State{shown}" in page.words.replace(" ", "")
        assert page.tree.xpath("//head/title/text()") == [f"Project 1: {shown}"]
        assert front.tree.xpath("//tbody/tr/td/text()")[0] == shown


def test_the_advice_reads_as_a_sentence_and_the_pace_says_how_long_the_rest_takes(tmp_path):
    _, browser = browser_of(Settings(model_dir=tmp_path))
    folder = ProjectFolder(tmp_path, 1)
    folder.connection.write(Connection("http://localhost:9090", {}, 5))
    folder.sync_record.write(a_sync_record(questions=("mood",)))
    words = Page(browser.get("/projects/1", headers=HTML)).words
    assert "whether more labels are worth their time. There is no model version yet." in words
    assert "Pace" not in words
    # 360 texts at 120 an hour, and the next 100 of them.
    folder.sync_record.write(a_sync_record(questions=("mood",), pace=Pace(120.0, 200), left=360))
    assert (
        "Pace120 labels an hour50 min of work for the next 100, 3.0 h for all that are left"
        in Page(browser.get("/projects/1", headers=HTML)).words
    )
    folder.sync_record.write(a_sync_record(questions=("mood",), pace=Pace(120.0, 200), left=30))
    assert "120 labels an hour15 min for all that are left" in Page(browser.get("/projects/1", headers=HTML)).words


def test_the_least_finished_of_several_questions_is_named_beside_the_advice(tmp_path):
    _, browser = browser_of(Settings(model_dir=tmp_path))
    folder = ProjectFolder(tmp_path, 1)
    folder.connection.write(Connection("http://localhost:9090", {}, 5))
    folder.sync_record.write(a_sync_record(questions=("mood", "tone"), further=(a_sync_record().facts,)))
    assert "So it stands with the question mood" in Page(browser.get("/projects/1", headers=HTML)).words


def test_a_project_of_free_text_is_promised_no_training_no_figures_and_no_labels(tmp_path):
    _, browser = browser_of(Settings(model_dir=tmp_path))
    folder = ProjectFolder(tmp_path, 1)
    folder.connection.write(Connection("http://localhost:9090", {}, 5))
    folder.sync_record.write(a_sync_record(questions=("summary",), unlearned=("summary",)))
    write_publication(folder, 5, queued=2)
    page = Page(browser.get("/projects/1", headers=HTML))
    for promised in ("Next training", "Figures are there", "After the first training", "Model version"):
        assert promised not in page.words
    assert "No classifier learns free text: Shortlist puts the texts in order" in page.words
    assert "No classifier learns free text, so none can label the rest." in page.words
    assert page.buttons() == ["Pause", "Find"]
    assert browser.get("/projects/1/status").get_json()["questions"][0]["is_learned"] is False


def test_after_the_last_label_nothing_comes_next_and_no_order_is_missed(tmp_path):
    _, browser = browser_of(Settings(model_dir=tmp_path))
    folder = ProjectFolder(tmp_path, 1)
    folder.connection.write(Connection("http://localhost:9090", {}, 5))
    folder.sync_record.write(a_sync_record(questions=("mood",), labels=40, left=0))
    write_publication(folder, 0, queued=0)
    words = Page(browser.get("/projects/1", headers=HTML)).words
    assert "Nothing: no text is left to label." in words
    assert "No order is published yet" not in words


def test_a_failed_round_is_said_with_its_reason(tmp_path):
    _, browser = browser_of(Settings(model_dir=tmp_path))
    folder = ProjectFolder(tmp_path, 1)
    folder.connection.write(Connection("http://localhost:9090", {}, 5))
    folder.sync_record.write(
        a_sync_record(failure=Failure("training_diverged", "the loss became nan <b>"), questions=("mood",))
    )
    page = Page(browser.get("/projects/1", headers=HTML))
    assert "The last round failed: the loss became nan <b>" in page.words
    assert "failed" in page.words


def test_a_project_without_anything_has_a_page(tmp_path):
    _, browser = browser_of(Settings(model_dir=tmp_path))
    ProjectFolder(tmp_path, 1).connection.write(Connection("http://localhost:9090", {}, 5))
    page = Page(browser.get("/projects/1", headers=HTML))
    assert page.answer.status_code == 200
    assert "No order is published yet" in page.words
    assert "before its first round has ended" in page.words


def test_a_project_of_an_earlier_release_is_told_when_its_figures_come(tmp_path):
    _, browser = browser_of(Settings(model_dir=tmp_path))
    folder = ProjectFolder(tmp_path, 1)
    folder.connection.write(Connection("http://localhost:9090", {}, 5))
    folder.sync_record.write(a_sync_record(questions=("mood",)))
    write_publication(folder, 5, queued=2)
    page = Page(browser.get("/projects/1", headers=HTML))
    assert "Figures are there after the next round" in page.words


def test_figures_of_another_question_in_the_same_place_are_not_shown(grown, tmp_path):
    other = ProjectFolder(tmp_path, 1)
    other.connection.write(Connection("http://localhost:9090", {}, 5))
    other.sync_record.write(a_sync_record(questions=("mood",)))
    grown_folder = ProjectFolder(grown.model_dir, 1)
    other.figures.write(grown_folder.figures.read())
    for training in grown_folder.trainings.read():
        other.trainings.append(training)
    page = Page(browser_of(Settings(model_dir=tmp_path))[1].get("/projects/1", headers=HTML))
    assert page.rows("classes") == page.rows("curve") == []


# Who asks


def test_browsers_get_all_projects_and_programs_get_what_they_got(grown):
    _, browser = browser_of(grown)
    page = Page(browser.get("/", headers=HTML))
    assert page.tree.xpath("//a[@href='/projects/1']")
    assert str(LABELLED) in page.words
    for accepts in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert browser.get("/", headers=accepts).get_json() == {"status": "UP", "model_class": "ShortlistModel"}


def test_without_projects_the_list_says_how_to_connect_one(tmp_path):
    _, browser = browser_of(Settings(model_dir=tmp_path))
    assert "Connect Model" in browser.get("/", headers=HTML).text


def test_pages_want_the_password_and_the_health_check_does_not(tmp_path):
    settings = Settings(model_dir=tmp_path, basic_auth_user="ann", basic_auth_pass="geheim")
    _, browser = browser_of(settings)
    assert browser.get("/").status_code == 200
    for path in ("/", "/projects/1"):
        refused = browser.get(path, headers=HTML)
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="shortlist"')
    assert browser.get("/", headers=HTML, auth=("ann", "geheim")).status_code == 200


def test_a_browser_reads_a_refusal_as_a_page_and_a_program_as_json(tmp_path):
    _, browser = browser_of(Settings(model_dir=tmp_path))
    refused = browser.get("/projects/7", headers=HTML)
    assert refused.status_code == 404
    assert "Settings → Model" in Page(refused).words
    assert browser.get("/projects/7").get_json()["error"]["code"] == "not_connected"
    assert browser.get(f"/projects/{'9' * 300}").get_json()["error"]["code"] == "unknown_project"
    assert "not found" in Page(browser.get("/projects/abc", headers=HTML)).words
    assert browser.get("/projects/abc").get_json()["error"]["code"] == "not_found"


def test_a_foreign_name_is_shown_no_page(grown):
    _, browser = browser_of(grown)
    for path in ("/", "/projects/1"):
        assert browser.get(path, headers={**HTML, "Host": "evil.example"}).status_code == 403


# Buttons


@pytest.fixture
def pressed(tmp_path, grown):
    """A copy of the grown project, whose buttons a test presses."""
    shutil.copytree(grown.model_dir, tmp_path / "data")
    service, browser = browser_of(grown.model_copy(update={"model_dir": tmp_path / "data"}))

    def press(action: str, **fields):
        token = Page(browser.get("/projects/1", headers=HTML)).token()
        return browser.post(f"/projects/1/{action}", data={"form_token": token, **fields}, headers=HTML)

    return service, browser, press


def test_train_now_asks_for_a_training_and_leads_back_to_the_page(pressed):
    service, browser, press = pressed
    answer = press("train")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/projects/1?done=train")
    assert service.rounds.requests == [{"project": 1, "changes": 0, "train": True}]
    assert "A training was asked for" in browser.get(answer.headers["Location"], headers=HTML).text


def test_a_pause_lasts_until_somebody_resumes_and_shows_everywhere(pressed):
    service, browser, press = pressed
    assert press("pause").status_code == 303
    assert browser.get("/projects/1/status").get_json()["paused_at"] > 0
    assert 'shortlist_paused{project="1"} 1.0' in browser.get("/metrics").text
    page = Page(browser.get("/projects/1", headers=HTML))
    assert "Paused since" in page.words
    assert "Resume" in page.buttons()
    assert "Train now" not in page.buttons()
    refused = press("train")
    assert refused.status_code == 409
    assert "is paused: resume it first" in Page(refused).words
    assert service.rounds.requests == []

    assert press("resume").status_code == 303
    assert service.rounds.requests == [{"project": 1, "changes": 1, "train": False}]
    assert service.rounds.named == [(set(), False)]
    assert browser.get("/projects/1/status").get_json()["paused_at"] is None


def test_a_version_is_rolled_back_to_and_promoted_again(pressed):
    service, browser, press = pressed
    assert press("version", question="0", version="1").status_code == 303
    assert service.folder(1).registry.current().number == 1
    assert service.rounds.requests == [{"project": 1, "changes": 0, "train": False}]
    page = Page(browser.get("/projects/1", headers=HTML))
    assert [row[7] for row in page.rows("versions")] == ["Promote 2", "in use"]
    press("version", question="0", version="2")
    assert service.folder(1).registry.current().number == 2


def test_a_paused_project_promises_no_order_before_somebody_resumes_it(pressed):
    _, browser, press = pressed

    def said(answer) -> str:
        return Page(browser.get(answer.headers["Location"], headers=HTML)).words

    assert "A new order by it is published in a moment." in said(press("version", question="0", version="1"))
    assert "The order is as before the search, in a moment." in said(press("find/end"))
    assert "or when somebody presses Train now" in said(press("resume"))
    paused = said(press("pause"))
    assert "once somebody resumes the project" in paused
    assert "presses Train now" not in paused
    later = "once somebody resumes the project, which is paused."
    assert f"A new order by it is published {later}" in said(press("version", question="0", version="2"))
    assert f"The order is as before the search, {later}" in said(press("find/end"))


def test_a_version_that_is_gone_is_refused_on_the_page(pressed):
    service, _, press = pressed
    refused = press("version", question="0", version="9")
    assert refused.status_code == 409
    assert "there is no model version 9; on disk: 1, 2" in Page(refused).words
    assert press("version", question="0", version="x").status_code == 400
    assert service.folder(1).registry.current().number == 2


@pytest.mark.parametrize("action", ["train", "pause", "resume", "version"])
def test_no_button_works_without_the_pages_token(pressed, action):
    service, browser, _ = pressed
    browser.get("/projects/1", headers=HTML)
    for fields in ({}, {"form_token": "0" * 64}):
        refused = browser.post(f"/projects/1/{action}", data={"question": "0", "version": "1", **fields})
        assert refused.status_code == 403
        assert json.loads(refused.text)["error"]["code"] == "foreign_request"
    foreign = browser.post(f"/projects/1/{action}", data={}, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403
    assert service.rounds.requests == []
    assert service.folder(1).pause.read() is None
