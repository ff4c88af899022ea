from pathlib import Path

import pytest

from backend.errors import UnsupportedConfigError
from backend.studio.config.kinds import KINDS, check_asked_for, labels_of, left_open, read_tasks
from model.tasks.classification.task import Classification
from model.tasks.free_text.task import FreeText
from model.tasks.task import TextField
from tests.counts import COUNT, Count, count_config

CHOICES = '<Choices name="mood" toName="text"><Choice value="good"/><Choice value="bad"/></Choices>'


@pytest.fixture
def counts():
    KINDS.append(COUNT)
    yield
    KINDS.remove(COUNT)


@pytest.mark.usefixtures("counts")
def test_every_control_is_read_by_its_kind_in_the_order_of_the_config():
    config = count_config("stars", "pace").replace('<Number name="pace"', f'{CHOICES}<Number name="pace"')
    assert [(task.control, type(task)) for task in read_tasks(config)] == [
        ("stars", Count),
        ("mood", Classification),
        ("pace", Count),
    ]


@pytest.mark.usefixtures("counts")
def test_labels_of_several_questions_are_named_once():
    assert labels_of(read_tasks(count_config("stars", "pace"))) == ("2 or more", "3 or more")


def test_a_config_that_asks_nothing_known_is_refused():
    with pytest.raises(UnsupportedConfigError, match="no Choices, Rating, Taxonomy or TextArea over a text"):
        read_tasks(count_config("stars"))


EXAMPLES = sorted((Path(__file__).parents[5] / "examples" / "labeling-configs").glob("*.xml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_config_can_be_learned(example):
    assert read_tasks(example.read_text(encoding="utf-8"))


def test_ask_for_must_name_questions_of_the_config():
    rating = '<Rating name="urgency" toName="text"/>'
    tasks = read_tasks(f'<View><Text name="text" value="$text"/>{CHOICES}{rating}</View>')
    check_asked_for(tasks, ["mood", "urgency"])
    check_asked_for(tasks, [])
    sentence = "ask_for names 'topic', and the labeling config asks 'mood', 'urgency'"
    with pytest.raises(UnsupportedConfigError, match=sentence):
        check_asked_for(tasks, ["mood", "topic"])


TEXT_AREA = '<TextArea name="translation" toName="text" rows="4"/>'


def test_free_text_alone_is_only_put_in_order():
    (task,) = read_tasks(f'<View><Text name="text" value="$text"/>{TEXT_AREA}</View>')
    assert task == FreeText("translation", "text", (TextField("Text", "text"),))
    assert not task.is_learned


def test_what_people_are_to_write_is_read_from_the_header_and_the_placeholder():
    header = '<Header value="Read the &lt;b&gt;letter&lt;/b&gt;"/><Header value="Translate it"/>'
    area = TEXT_AREA.replace("rows", 'PlaceHolder="into German" rows')
    (task,) = read_tasks(f'<View>{header}<Text name="text" value="$text"/>{area}</View>')
    assert (task.header, task.placeholder) == ("Translate it", "into German")


def test_free_text_beside_a_question_that_is_learned_is_left_to_people():
    tasks = read_tasks(f'<View><Text name="text" value="$text"/>{TEXT_AREA}{CHOICES}</View>')
    assert [task.control for task in tasks] == ["mood"]


def test_free_text_about_parts_of_a_text_is_no_question_about_it():
    parts = TEXT_AREA.replace("rows", 'perRegion="true" rows')
    with pytest.raises(UnsupportedConfigError, match="no Choices, Rating, Taxonomy or TextArea over a text"):
        read_tasks(f'<View><Text name="text" value="$text"/>{parts}</View>')


@pytest.mark.parametrize(
    ("beside", "names"),
    [
        ("", ()),
        ('<Labels name="who" toName="text"><Label value="a"/></Labels><Filter name="search" toName="who"/>', ("who",)),
        ('<Choices name="tone" toName="text"><Choice value="a"/><Choice value="b"/></Choices>', ("tone",)),
        ('<Choices name="part" toName="text" perRegion="true"><Choice value="a"/><Choice value="b"/></Choices>', ()),
        ('<TextArea name="note" toName="text"/>', ()),
        (
            '<TextArea name="summary" toName="text" required="true"/><Number name="pages" toName="text"/>',
            ("summary", "pages"),
        ),
    ],
)
def test_the_controls_that_an_answer_leaves_open_are_named(beside, names):
    assert left_open(f'<View><Text name="text" value="$text"/>{CHOICES}{beside}</View>', "mood") == names
