"""Every line of the tables in docs/labeling-configs.md says what is so."""

import re
from pathlib import Path

import pytest

from backend.errors import UnsupportedConfigError
from backend.studio.config.kinds import read_tasks

DOCUMENT = Path(__file__).parents[5] / "docs" / "labeling-configs.md"
LINE = re.compile(r"^\| `(\w+)` \| ([\w ]+) \|(?: ([\w ]+) \|)?$", re.MULTILINE)
LINES = LINE.findall(DOCUMENT.read_text(encoding="utf-8").split("## Every control and object")[1])
CONTROLS = [line for line in LINES if line[2]]
OBJECTS = [line[:2] for line in LINES if not line[2]]
INSIDE = '<Choice value="a"/><Choice value="b"/>'
QUESTION = f'<Choices name="topic" toName="text">{INSIDE}</Choices>'


def asked(*tags: str) -> list[str]:
    """The questions that a config asks; none if it is refused."""
    try:
        return [task.control for task in read_tasks(f"<View>{''.join(tags)}</View>")]
    except UnsupportedConfigError:
        return []


def said(tag: str, *beside: str) -> str:
    """What is done with a control over a text, in the words of the table."""
    text = '<Text name="text" value="$text"/>'
    control = f'<{tag} name="it" toName="text">{INSIDE}</{tag}>'
    found = asked(text, control, *beside)
    if "it" not in found:
        return "beside it" if found else "refused"
    (task,) = (task for task in read_tasks(f"<View>{text}{control}{''.join(beside)}</View>") if task.control == "it")
    return "learned" if task.is_learned else "ordered only"


def test_the_tables_have_every_tag():
    assert (len(CONTROLS), len(OBJECTS)) == (24, 11)


@pytest.mark.parametrize(("tag", "alone", "beside"), CONTROLS)
def test_a_control_over_a_text_is_treated_as_the_table_says(tag, alone, beside):
    assert (said(tag), said(tag, QUESTION)) == (alone, beside)


@pytest.mark.parametrize(("tag", "content"), OBJECTS)
def test_an_object_is_treated_as_the_table_says(tag, content):
    assert bool(asked(f'<{tag} name="text" value="$text"/>', QUESTION)) == (content == "read")


@pytest.mark.parametrize("tag", ["View", "Header", "Style", "Collapse", "Filter", "Shortcut"])
def test_a_tag_that_changes_what_people_see_changes_no_question(tag):
    assert asked('<Text name="text" value="$text"/>', f'<{tag} value="a word"/>', QUESTION) == ["topic"]
