import json

import pytest

from backend.studio.config.kinds import read_tasks
from backend.studio.results import joined
from model.tasks.task import Condition
from model.types import AnnotatedText, Annotation, ResultItem
from tests.fakes import chosen

TOPIC = '<Choices name="topic" toName="t"><Choice value="Bill" alias="bill"/><Choice value="Thanks"/></Choices>'
WHAT = '<Choices name="what" toName="t" choice="multiple" {}><Choice value="fee"/><Choice value="date"/></Choices>'
ON_BILL = 'visibleWhen="choice-selected" whenTagName="topic" whenChoiceValue="Bill"'


def config(what: str = "", around: str = "") -> str:
    asked = f"<View {around}>{WHAT.format(what)}</View>"
    return f'<View><Text name="t" value="$text"/>{TOPIC}{asked}</View>'


def conditions(*given: str) -> list[tuple[Condition, ...]]:
    return [task.conditions for task in read_tasks(config(*given))]


def test_a_condition_is_read_from_a_control_and_from_the_views_around_it_by_the_labels_of_annotations():
    on_bill = Condition("topic", ("bill",))
    assert conditions() == [(), ()]
    assert conditions(ON_BILL) == conditions("", ON_BILL) == [(), (on_bill,)]
    assert conditions(ON_BILL, ON_BILL) == [(), (on_bill, on_bill)]


@pytest.mark.parametrize(
    ("written", "condition"),
    [
        ('visibleWhen="choice-selected" whenTagName="topic"', Condition("topic")),
        (ON_BILL.replace('"Bill"', '"Bill, Thanks"'), Condition("topic", ("bill", "Thanks"))),
        (ON_BILL.replace("selected", "unselected"), Condition("topic", ("bill",), is_given=False)),
    ],
)
def test_every_condition_about_choices_is_read(written, condition):
    assert conditions(written)[1] == (condition,)


@pytest.mark.parametrize(
    "written",
    [
        'visibleWhen="region-selected" whenTagName="topic"',
        'visibleWhen="choice-selected"',
        ON_BILL.replace("topic", "elsewhere"),
    ],
)
def test_a_condition_about_regions_or_about_what_is_not_learned_is_none(written):
    assert conditions(written) == [(), ()]


def learned(*results: tuple[ResultItem, ...]) -> dict[int, list[float]]:
    """The shares of the second question, by task."""
    what = read_tasks(config(ON_BILL))[1]
    texts = [AnnotatedText(number, "a letter", (Annotation("ann", one),)) for number, one in enumerate(results, 1)]
    targets = what.targets(texts).targets
    return dict(zip(targets.task_ids, targets.targets_N_C.tolist(), strict=True))


def test_a_question_that_was_not_asked_teaches_nothing_and_one_that_got_no_label_teaches_none():
    bill, thanks = chosen("bill", control="topic"), chosen("Thanks", control="topic")
    fee = chosen("fee", control="what")
    assert learned(bill, thanks, (*bill, *fee), (*thanks, *fee)) == {1: [0, 0], 3: [1, 0], 4: [1, 0]}


def predicted(*, topic: str = "", what: str = "fee", is_chained: bool = False) -> list[str]:
    """The controls whose answers people see."""
    tasks = list(read_tasks(config(ON_BILL)))
    results = [tasks[0].label_result([topic]) if topic else "[]", tasks[1].label_result([what])]
    if is_chained:
        more = WHAT.replace('"what"', '"more"').format('visibleWhen="choice-selected" whenTagName="what"')
        tasks = list(read_tasks(config(ON_BILL).replace("</View></View>", f"</View>{more}</View>")))
        results.append(tasks[2].label_result(["date"]))
    return [item["from_name"] for item in json.loads(joined(results, tasks))]


def test_an_answer_is_shown_where_the_predicted_answer_to_the_other_question_has_it_asked():
    assert predicted(topic="bill") == ["topic", "what"]
    assert predicted(topic="Thanks") == ["topic"]
    assert predicted(topic="") == []


def test_a_question_that_is_hidden_hides_those_that_depend_on_it():
    assert predicted(topic="bill", is_chained=True) == ["topic", "what", "more"]
    assert predicted(topic="Thanks", is_chained=True) == ["topic"]
