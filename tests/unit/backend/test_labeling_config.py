import pytest

from backend.errors import UnsupportedConfigError
from backend.labeling_config import Classification, TextField, prediction_result, read_labeling_config, read_text
from model.types import LabelSet
from tests.fakes import labeling_config

TEXT = '<Text name="t" value="$text"/>'
CHOICES = '<Choices name="c" toName="t"><Choice value="neg"/><Choice value="pos"/></Choices>'


def view(*tags: str) -> str:
    return f"<View>{''.join(tags)}</View>"


def over(kind: str, **attributes: str) -> Classification:
    """The question of a config with one text object of a kind."""
    given = " ".join(f'{key}="{value}"' for key, value in {"name": "t", "value": "$text", **attributes}.items())
    return read_labeling_config(view(f"<{kind} {given}/>", CHOICES))


def test_one_choice_over_one_text():
    assert read_labeling_config(view(TEXT, CHOICES)) == Classification(
        "c", "t", (TextField("Text", "text"),), LabelSet(("neg", "pos"), is_multilabel=False)
    )


@pytest.mark.parametrize(("choice", "is_multilabel"), [("single", False), ("single-radio", False), ("multiple", True)])
def test_several_labels_may_hold_if_the_config_says_multiple(choice, is_multilabel):
    found = read_labeling_config(labeling_config("a", "b", "c", choice=choice))
    assert found.label_set == LabelSet(("a", "b", "c"), is_multilabel)


def test_annotations_carry_a_choice_by_its_alias_so_labels_do_too():
    aliased = '<Choices name="c" toName="t"><Choice value="Negative" alias="neg"/><Choice value="pos"/></Choices>'
    assert read_labeling_config(view(TEXT, aliased)).label_set.labels == ("neg", "pos")


def test_every_text_that_people_see_is_read_those_of_the_control_first():
    config = view('<Text name="title" value="$title"/>', TEXT, '<Header value="Which?"/>', CHOICES)
    assert [field.key for field in read_labeling_config(config).fields] == ["text", "title"]


def test_a_control_over_two_texts_reads_both():
    both = CHOICES.replace('toName="t"', 'toName="t,u"')
    found = read_labeling_config(view(TEXT, '<Text name="u" value="$reply"/>', both))
    assert ([field.key for field in found.fields], found.to_name) == (["text", "reply"], "t")


def test_of_two_questions_the_first_is_learned_without_the_texts_of_the_other():
    other = '<Choices name="d" toName="u"><Choice value="x"/><Choice value="y"/></Choices>'
    found = read_labeling_config(view(TEXT, '<Text name="u" value="$reply"/>', CHOICES, other))
    assert found.control == "c"
    assert [field.key for field in found.fields] == ["text"]


def test_of_two_questions_over_one_text_the_first_is_learned():
    other = '<Choices name="d" toName="t"><Choice value="x"/><Choice value="y"/></Choices>'
    assert read_labeling_config(view(TEXT, other, CHOICES)).label_set.labels == ("x", "y")


def test_a_question_over_an_image_or_a_region_is_passed_over():
    image = '<Image name="i" value="$i"/><Choices name="d" toName="i"><Choice value="x"/><Choice value="y"/></Choices>'
    region = CHOICES.replace('name="c"', 'name="r" perRegion="true"')
    assert read_labeling_config(view(image, TEXT, region, CHOICES)).control == "c"


def test_choices_may_be_wrapped_and_commented_on():
    wrapped = '<Choices name="c" toName="t"><!-- two --><View><Choice value="a"/><Choice value="b"/></View></Choices>'
    assert read_labeling_config(view(TEXT, wrapped)).label_set.labels == ("a", "b")


def test_77_labels_keep_their_order():
    labels = tuple(f"intent {n}" for n in range(77))
    assert read_labeling_config(labeling_config(*labels)).label_set.labels == labels


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("", "cannot be read"),
        ("sentiment", "cannot be read"),
        ("<View><Text", "cannot be read"),
        (f"<View>{TEXT}</Views>", "cannot be read"),
        ("<View>\0</View>", "cannot be read"),
        ("<View>\ud800</View>", "cannot be read"),
        ("<View>" * 3000 + "</View>" * 3000, "cannot be read"),
        ("<View/>", "no Choices over a text"),
        (view(TEXT), "no Choices over a text"),
        (view(TEXT, CHOICES.replace('toName="t"', 'toName="elsewhere"')), "no Choices over a text"),
        (view(TEXT, CHOICES.replace('toName="t"', "")), "no Choices over a text"),
        (view(TEXT.replace("Text", "Image"), CHOICES), "no Choices over a text"),
        (view(TEXT, CHOICES.replace('name="c"', 'name="c" perRegion="true"')), "no Choices over a text"),
        (view(TEXT, '<Choices name="c" toName="t" value="$options"/>'), "'c' has 0 labels"),
        (view(TEXT, CHOICES.replace('<Choice value="neg"/>', "")), "'c' has 1 labels"),
        (view(TEXT, CHOICES.replace("neg", "pos")), "'c' has 1 labels"),
        (view(TEXT.replace("/>", ' valueType="url"/>'), CHOICES), "'t' takes its text from a URL"),
        (view(TEXT.replace("$text", "$title by $author"), CHOICES), "'t' has value"),
        (view(TEXT.replace("$text", "a film"), CHOICES), "no text of the labeling config"),
        (view(TEXT, CHOICES.replace('value="neg"/>', 'value="neg"><Choice value="very"/></Choice>')), "inside choices"),
    ],
)
def test_a_config_that_cannot_be_learned_is_refused_with_the_reason(config, reason):
    with pytest.raises(UnsupportedConfigError, match=reason):
        read_labeling_config(config)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("good", "good"),
        ("  good\n", "good"),
        ("a < b & c > d", "a < b & c > d"),
        (None, ""),
        ("", ""),
        (5, "5"),
        (2.5, "2.5"),
        (["good"], ""),
        ({"text": "good"}, ""),
        ("half \ud800 pair", "half ? pair"),
    ],
)
def test_a_text_is_read_as_it_stands(value, text):
    assert read_text(over("Text"), {"text": value, "other": "unseen"}) == text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Good &amp; <b>fine</b></p>", "Good &  fine"),
        ("good<script>alert('bad')</script> film", "good  film"),
        ("<STYLE type='x'>p {color: red}</STYLE>good", "good"),
        ("<script>\nbad()\n</script>good<script>worse()</script>", "good"),
        ("a &lt; b", "a < b"),
        ("1 &lt;b&gt; 2", "1 <b> 2"),
        ("<br/>", ""),
    ],
)
def test_of_hypertext_only_the_words_are_read(markup, text):
    assert read_text(over("HyperText"), {"text": markup}) == text


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([{"author": "Ann", "text": "hi"}, {"author": "Bob", "text": "hello"}], "Ann: hi\nBob: hello"),
        ([{"text": "hi"}], "hi"),
        ([{"author": None, "text": "hi"}], "hi"),
        ([{"author": "Ann"}], "Ann:"),
        ([], ""),
        (["hi", None, 5], ""),
        ("hi\nhello", "hi\nhello"),
        (5, ""),
        ({"author": "Ann"}, ""),
    ],
)
def test_paragraphs_are_read_as_who_said_what(lines, text):
    assert read_text(over("Paragraphs"), {"text": lines}) == text


def test_paragraphs_may_name_their_keys():
    talk = over("Paragraphs", nameKey="who", textKey="said")
    assert read_text(talk, {"text": [{"who": "Ann", "said": "hi", "text": "unseen"}]}) == "Ann: hi"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"film": {"review": "good"}}, "good"),
        ({"film.review": "good", "film": {"review": "bad"}}, "good"),
        ({"film": {"title": "Jaws"}}, ""),
        ({"film": "Jaws"}, ""),
        ({"review": "good"}, ""),
    ],
)
def test_a_dotted_field_is_looked_up_inside_another(data, text):
    assert read_text(over("Text", value="$film.review"), data) == text


def test_several_texts_are_joined_by_blank_lines_and_missing_ones_left_out():
    two = read_labeling_config(view(TEXT, '<Text name="title" value="$title"/>', CHOICES))
    assert read_text(two, {"title": "Jaws", "text": "good"}) == "good\n\nJaws"
    assert read_text(two, {"title": "Jaws"}) == "Jaws"
    assert read_text(two, {}) == ""


ONE = read_labeling_config(labeling_config("neg", "neutral", "pos"))
SEVERAL = read_labeling_config(labeling_config("plot", "cast", "score", choice="multiple"))


def test_a_prediction_names_the_likeliest_label_with_its_probability():
    assert prediction_result(ONE, [0.2, 0.1, 0.7]) == [
        {
            "from_name": "sentiment",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": ["pos"]},
            "score": 0.7,
        }
    ]


def test_where_several_labels_may_hold_all_from_one_half_up_are_named_with_the_least_of_them():
    (item,) = prediction_result(SEVERAL, [0.5, 0.9, 0.49])
    assert item["value"] == {"choices": ["plot", "cast"]}
    assert item["score"] == 0.5


def test_where_no_label_holds_nothing_is_predicted():
    assert prediction_result(SEVERAL, [0.1, 0.2, 0.3]) == []


def test_words_written_in_the_config_itself_are_no_field():
    headed = view('<Text name="head" value="Is this a good film?"/>', TEXT, CHOICES)
    assert [text_field.key for text_field in read_labeling_config(headed).fields] == ["text"]
