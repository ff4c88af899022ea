import pytest

from backend.errors import UnsupportedConfigError
from model.tasks.taxonomy.task import Taxonomy
from model.types import LabelSet
from tests.fakes import the_task
from tests.worst_cases import within

TREE = (
    '<Choice value="Online"><Choice value="Free"/><View><Choice value="Paid" alias="paid" hint="behind a wall"/></View>'
    '</Choice><Choice value="Offline"/>'
)
ALL = ("Online", "Online / Free", "Online / paid", "Offline")


def tree(inside: str = TREE, tag: str = "Taxonomy", **attributes: str) -> str:
    given = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return (
        f'<View><Header value="Where?"/><Text name="t" value="$text"/><{tag} name="media" toName="t" {given}>{inside}'
        f"</{tag}></View>"
    )


def read(*given: str, **attributes: str) -> Taxonomy:
    found = the_task(tree(*given, **attributes))
    assert isinstance(found, Taxonomy)
    return found


def test_every_path_of_a_taxonomy_is_a_label_with_its_aliases():
    found = read()
    assert (found.kind, found.label_set) == ("taxonomy", LabelSet(ALL))
    assert found.paths == (("Online",), ("Online", "Free"), ("Online", "paid"), ("Offline",))
    assert found.may_have_several


def test_only_leaves_are_labels_where_only_leaves_can_be_chosen():
    assert read(leafsOnly="true").label_set.labels == ("Online / Free", "Online / paid", "Offline")


def test_a_taxonomy_that_allows_one_use_gives_a_text_one_path():
    assert not read(maxUsages="1").may_have_several


def test_a_path_means_its_names_and_its_hint():
    texts = dict(zip(ALL, read().label_texts("", {}), strict=True))
    assert texts["Online / Free"][0] == "Online Free"
    assert texts["Online / paid"][0] == "Online Paid: behind a wall"
    assert "Where?" in texts["Offline"][1]


def test_nested_choices_that_are_allowed_are_paths_to_leaves():
    found = read(tag="Choices", allowNested="true")
    assert (found.kind, found.label_set.labels) == ("choices", ("Online / Free", "Online / paid", "Offline"))
    assert not found.may_have_several
    assert read(tag="Choices", allowNested="true", choice="multiple").may_have_several


def test_nested_choices_that_are_not_allowed_are_not_shown_and_no_labels():
    found = the_task(tree(tag="Choices"))
    assert found.label_set.labels == ("Online", "Offline")


@pytest.mark.parametrize(
    ("inside", "attributes", "reason"),
    [
        ("", {}, "'media' has 0 paths"),
        ('<Choice value="Online"/>', {}, "'media' has 1 paths"),
        (TREE, {"apiUrl": "http://127.0.0.1/tree.json"}, "takes its tree from apiUrl"),
        (TREE, {"labeling": "true"}, "labels spans of a text"),
        ('<Choice value="a / b"/><Choice value="a"><Choice value="b"/></Choice>', {}, "two paths that read 'a / b'"),
        ("", {"value": "$tree"}, "takes labels from each task's data"),
    ],
)
def test_a_taxonomy_that_cannot_be_learned_is_refused_with_the_reason(inside, attributes, reason):
    with pytest.raises(UnsupportedConfigError, match=reason):
        the_task(tree(inside, **attributes))


def test_a_taxonomy_of_hundreds_of_leaves_and_one_of_great_depth_are_read_quickly():
    wide = "".join(
        f'<Choice value="p{row}">' + "".join(f'<Choice value="c{n}"/>' for n in range(40)) + "</Choice>"
        for row in range(50)
    )
    deep = '<Choice value="d">' * 100 + "</Choice>" * 100
    with within(2.0):
        assert len(read(wide, leafsOnly="true").paths) == 2000
        assert len(read(deep).paths) == 100
