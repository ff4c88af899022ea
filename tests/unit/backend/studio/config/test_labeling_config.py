import pytest

from backend.errors import UnsupportedConfigError
from backend.studio.config.kinds import MOST_QUESTIONS, read_label_texts, read_tasks
from backend.studio.config.labeling_config import MAX_CONFIG_CHARACTERS
from backend.studio.config.texts import read_text
from model.tasks.classification.task import Classification
from model.tasks.label_names import Meaning
from model.tasks.task import TextField
from model.types import LabelSet
from tests.fakes import labeling_config, the_task
from tests.worst_cases import repeated, within

TEXT = '<Text name="t" value="$text"/>'
CHOICES = '<Choices name="c" toName="t"><Choice value="neg"/><Choice value="pos"/></Choices>'


def view(*tags: str) -> str:
    return f"<View>{''.join(tags)}</View>"


def test_one_choice_over_one_text():
    assert the_task(view(TEXT, CHOICES)) == Classification(
        "c", "t", (TextField("Text", "text"),), LabelSet(("neg", "pos"), is_multilabel=False)
    )


@pytest.mark.parametrize(("choice", "is_multilabel"), [("single", False), ("single-radio", False), ("multiple", True)])
def test_a_text_may_have_several_labels_if_the_config_says_multiple(choice, is_multilabel):
    found = the_task(labeling_config("a", "b", "c", choice=choice))
    assert found.label_set == LabelSet(("a", "b", "c"), is_multilabel)


def test_annotations_carry_a_choice_by_its_alias_so_labels_do_too():
    aliased = '<Choices name="c" toName="t"><Choice value="Negative" alias="neg"/><Choice value="pos"/></Choices>'
    assert the_task(view(TEXT, aliased)).label_set.labels == ("neg", "pos")


def test_every_text_object_is_read_and_the_texts_of_the_control_come_first():
    config = view('<Text name="title" value="$title"/>', TEXT, '<Header value="Which?"/>', CHOICES)
    assert [field.key for field in the_task(config).fields] == ["text", "title"]


def test_a_control_over_two_texts_reads_both():
    both = CHOICES.replace('toName="t"', 'toName="t,u"')
    found = the_task(view(TEXT, '<Text name="u" value="$reply"/>', both))
    assert ([field.key for field in found.fields], found.to_name) == (["text", "reply"], "t")


def test_every_question_is_read_in_the_order_of_the_config():
    other = '<Choices name="d" toName="t" choice="multiple"><Choice value="x"/><Choice value="y"/></Choices>'
    first, second = read_tasks(view(TEXT, other, CHOICES))
    assert (first.control, first.label_set) == ("d", LabelSet(("x", "y"), is_multilabel=True))
    assert (second.control, second.label_set) == ("c", LabelSet(("neg", "pos"), is_multilabel=False))


def test_every_question_reads_every_text_its_own_first():
    other = '<Choices name="d" toName="u"><Choice value="x"/><Choice value="y"/></Choices>'
    first, second = read_tasks(view(TEXT, '<Text name="u" value="$reply"/>', CHOICES, other))
    assert [[field.key for field in found.fields] for found in (first, second)] == [
        ["text", "reply"],
        ["reply", "text"],
    ]
    assert read_text([first, second], {"text": "Is it late?", "reply": "No."}) == "Is it late?\n\nNo."


def test_a_config_with_more_questions_than_anybody_answers_is_refused():
    questions = [CHOICES.replace('name="c"', f'name="c{number}"') for number in range(MOST_QUESTIONS + 1)]
    assert len(read_tasks(view(TEXT, *questions[1:]))) == MOST_QUESTIONS
    with pytest.raises(UnsupportedConfigError, match="asks 21 questions about a text, and at most 20 are learned"):
        read_tasks(view(TEXT, *questions))


def test_a_question_over_an_image_or_a_region_is_passed_over():
    image = '<Image name="i" value="$i"/><Choices name="d" toName="i"><Choice value="x"/><Choice value="y"/></Choices>'
    region = CHOICES.replace('name="c"', 'name="r" perRegion="true"')
    assert the_task(view(image, TEXT, region, CHOICES)).control == "c"


def test_tags_and_attributes_count_in_any_case_as_in_label_studios_editor():
    shouted = (
        '<view><TEXT NAME="t" Value="$text"/><choices name="c" toname="t" CHOICE="multiple">'
        '<choice VALUE="a"/><CHOICE value="b" ALIAS="bee"/></choices></view>'
    )
    assert the_task(shouted) == Classification(
        "c", "t", (TextField("Text", "text"),), LabelSet(("a", "bee"), is_multilabel=True)
    )


def test_styles_comments_and_entities_are_no_part_of_a_question():
    styled = f"<Style>.a {{ color: red }}</Style><!-- {CHOICES} -->{TEXT}{CHOICES.replace('neg', 'bad &amp; worse')}"
    assert the_task(view(styled)).label_set.labels == ("bad & worse", "pos")


def test_what_a_question_over_an_image_takes_from_the_data_does_not_matter():
    image = '<Image name="i" value="$i"/><Choices name="d" toName="i" value="$options"/>'
    assert the_task(view(image, TEXT, CHOICES)).control == "c"


def test_choices_may_be_wrapped_and_commented_on():
    wrapped = '<Choices name="c" toName="t"><!-- two --><View><Choice value="a"/><Choice value="b"/></View></Choices>'
    assert the_task(view(TEXT, wrapped)).label_set.labels == ("a", "b")


def test_77_labels_keep_their_order():
    labels = tuple(f"intent {n}" for n in range(77))
    assert the_task(labeling_config(*labels)).label_set.labels == labels


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
        ("<View/>", "no Choices, Rating, Taxonomy or TextArea over a text"),
        (view(TEXT), "no Choices, Rating, Taxonomy or TextArea over a text"),
        (
            view(TEXT, CHOICES.replace('toName="t"', 'toName="elsewhere"')),
            "no Choices, Rating, Taxonomy or TextArea over a text",
        ),
        (view(TEXT, CHOICES.replace('toName="t"', "")), "Choices 'c' has no toName"),
        (view(TEXT.replace("Text", "Image"), CHOICES), "no Choices, Rating, Taxonomy or TextArea over a text"),
        (
            view(TEXT, CHOICES.replace('name="c"', 'name="c" perRegion="true"')),
            "no Choices, Rating, Taxonomy or TextArea over a text",
        ),
        (view(TEXT, '<Choices name="c" toName="t"/>'), "'c' has 0 labels"),
        (
            view(TEXT, '<Choices name="c" toName="t" value="$options"/>'),
            "Choices 'c' takes labels from each task's data",
        ),
        (
            view(TEXT, CHOICES.replace('toName="t"', 'toName="t" value="$more"')),
            "'c' takes labels from each task's data",
        ),
        (view(TEXT, CHOICES.replace('"neg"', '"$first"')), "'c' takes labels from each task's data"),
        (view(TEXT, CHOICES, CHOICES), "2 tags have the name 'c'"),
        (view(TEXT, CHOICES.replace('name="c"', 'name="t"')), "2 tags have the name 't'"),
        (view(TEXT, f'<Repeater on="$talk" indexFlag="{{{{idx}}}}">{CHOICES}</Repeater>'), "Choices 'c' is repeated"),
        (view(TEXT.replace("$text", "$talk[{{idx}}].text"), CHOICES), "Text 't' is repeated"),
        (view(TEXT, CHOICES.replace('<Choice value="neg"/>', "")), "'c' has 1 labels"),
        (view(TEXT, CHOICES.replace("neg", "pos")), "'c' has 1 labels"),
        (view(TEXT.replace("/>", ' valueType="url"/>'), CHOICES), "'t' takes its text from a URL"),
        (view(TEXT.replace("$text", "$title by $author"), CHOICES), "'t' has value"),
        (view(TEXT.replace("$text", "a film"), CHOICES), "no text of the labeling config"),
    ],
)
def test_a_config_that_cannot_be_learned_is_refused_with_the_reason(config, reason):
    with pytest.raises(UnsupportedConfigError, match=reason):
        the_task(config)


TWO = '<Choice value="a"/><Choice value="b"/>'
LARGE_CONFIGS = {
    "labels": (TEXT, '<Choices name="c" toName="t">', '<Choice value="{n}"/>', "</Choices>"),
    "headers": (TEXT, "", '<Header value="$a"/>', CHOICES),
    "views": (TEXT, CHOICES, "<View><View/></View>", ""),
    "texts": (TEXT + CHOICES, "", '<Text name="t{n}" value="$t{n}"/>', ""),
    "attributes": (TEXT, CHOICES + "<View ", 'a{n}="b" ', "/>"),
}


LARGE_REFUSED = {
    "questions": (TEXT, f'<Choices name="c{{n}}" toName="t">{TWO}</Choices>'),
    "questions and texts": (
        "",
        f'<Text name="t{{n}}" value="$t{{n}}"/><Choices name="c{{n}}" toName="t{{n}}">{TWO}</Choices>',
    ),
}


@pytest.mark.parametrize("config", LARGE_REFUSED.values(), ids=LARGE_REFUSED)
def test_the_longest_config_of_too_many_questions_is_refused_in_two_seconds(config):
    before, piece = config
    with within(2.0), pytest.raises(UnsupportedConfigError, match="at most 20 are learned"):
        read_tasks(view(before, repeated(piece, MAX_CONFIG_CHARACTERS - len(view(before)) - 100)))


@pytest.mark.parametrize("config", LARGE_CONFIGS.values(), ids=LARGE_CONFIGS)
def test_the_longest_config_of_any_kind_is_read_in_two_seconds(config):
    before, opening, piece, closing = config
    around = view(before, opening, closing)
    with within(2.0):
        assert the_task(view(before, opening, repeated(piece, MAX_CONFIG_CHARACTERS - len(around) - 100), closing))


def test_a_longer_config_is_refused_with_its_length():
    with pytest.raises(UnsupportedConfigError, match=r"1,000,\d\d\d characters, and at most 200,000"):
        the_task(view(TEXT, CHOICES, " " * 1_000_000))


@pytest.mark.parametrize("inside", ["&big;", "&file;"])
def test_entities_of_a_config_are_neither_blown_up_nor_read_from_files(inside):
    grown = "".join(f'<!ENTITY x{n + 1} "{f"&x{n};" * 10}">' for n in range(12))
    entities = f'<!ENTITY x0 "x">{grown}<!ENTITY big "&x12;"><!ENTITY file SYSTEM "file:///etc/passwd">'
    with within(2.0), pytest.raises(UnsupportedConfigError, match="cannot be read"):
        the_task(f"<!DOCTYPE View [{entities}]><View>{TEXT}{CHOICES}{inside}</View>")


def test_text_written_in_the_config_itself_is_no_field():
    headed = view('<Text name="head" value="Is this a good film?"/>', TEXT, CHOICES)
    assert [text_field.key for text_field in the_task(headed).fields] == ["text"]


def choices(*tags: str) -> str:
    return f'<Choices name="c" toName="t">{"".join(tags)}<Choice value="other"/></Choices>'


def meaning(*tags: str) -> Meaning:
    return the_task(view(*tags)).meaning


def question(*tags: str) -> str:
    """The question of a config with a Text and these tags."""
    return meaning(TEXT, *tags).question


@pytest.mark.parametrize(
    ("choice", "label", "said"),
    [
        ('value="Negative" alias="c1"', "c1", "Negative"),
        ('value="Negative" alias="neg"', "neg", "Negative"),
        ('value="My card is gone" alias="LOST_CARD"', "LOST_CARD", "My card is gone, LOST CARD"),
        ('alias="LOST_CARD"', "LOST_CARD", "LOST CARD"),
        ('value="???" alias="c1"', "c1", "c1"),
        ('value="lost_card" hint="Lost, or stolen"', "lost_card", "lost card: Lost, or stolen"),
        ('value="Gone" alias="c1" hint="Lost &amp; stolen"', "c1", "Gone: Lost & stolen"),
        ('value="???" hint="Nobody knows"', "???", "Nobody knows"),
    ],
)
def test_value_alias_and_hint_of_a_choice_say_what_its_label_means(choice, label, said):
    assert meaning(TEXT, choices(f"<Choice {choice}/>")).said == {label: said}


@pytest.mark.parametrize("choice", ['value="lost_card"', 'value="lost_card" hint=""', 'value="lost_card" alias=""'])
def test_a_choice_with_its_value_alone_says_no_more_than_its_label(choice):
    assert meaning(TEXT, choices(f"<Choice {choice}/>")).said == {}


def test_a_choice_without_value_and_alias_is_no_label_and_says_nothing():
    assert meaning(TEXT, choices('<Choice hint="lost"/><Choice value="a"/>')).said == {}


def test_the_header_above_the_choices_is_the_question():
    assert question('<Header value="Which topic?"/>', CHOICES) == "Which topic?"
    assert question("<Header>Which topic?</Header>", CHOICES) == "Which topic?"
    assert meaning('<Header value="Which topic?"/>', TEXT, CHOICES).question == "Which topic?"


def test_the_nearest_of_several_headers_above_is_the_question():
    headers = [f'<Header value="{words}"/>' for words in ("Mail", "Which topic?", "Thank you")]
    assert question(headers[0], headers[1], CHOICES, headers[2]) == "Which topic?"


def test_a_header_of_an_enclosing_view_counts_and_a_header_of_another_view_does_not():
    assert question('<Header value="Which topic?"/>', view(view("<!-- two -->", CHOICES))) == "Which topic?"
    assert question(view('<Header value="Help"/>'), CHOICES) == ""


def test_a_header_above_another_control_belongs_to_that_control():
    other = '<Choices name="i" toName="image"><Choice value="x"/><Choice value="y"/></Choices>'
    image = '<Image name="image" value="$image"/>'
    assert question(image, '<Header value="Is it sharp?"/>', other, CHOICES) == ""
    assert question('<Header value="Which topic?"/>', '<Filter name="f" toName="c"/>', CHOICES) == "Which topic?"


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        ("Which &lt;b&gt;topic&lt;/b&gt;?", "Which topic?"),
        ("Q&amp;amp;A or not?", "Q&A or not?"),
        ("  Which\n topic? ", "Which topic?"),
        ("Costs more than 5 $ ?", "Costs more than 5 $ ?"),
        ("", ""),
        ("???", ""),
        ("$title", ""),
        ("Is it about $title?", ""),
    ],
)
def test_a_header_without_words_or_with_a_variable_does_not_count(value, asked):
    assert question(f'<Header value="{value}"/>', CHOICES) == asked
    assert question('<Header value="Above"/>', f'<Header value="{value}"/>', CHOICES) == (asked or "Above")


def test_a_header_without_a_value_does_not_count():
    assert question("<Header/>", CHOICES) == ""


def test_two_configs_that_differ_in_the_meaning_of_labels_are_equal():
    plain = the_task(view(TEXT, CHOICES))
    assert plain.meaning == Meaning()
    assert plain == the_task(view('<Header value="Which?"/>', TEXT, CHOICES))


FILMS = the_task(view(TEXT, '<Choices name="c" toName="t"><Choice value="a_b"/><Choice value="d"/></Choices>'))
HINTED = view('<Header value="Which?"/>', TEXT, choices('<Choice value="a_b" hint="hinted"/>'))


def test_a_label_without_a_description_means_its_words():
    assert read_label_texts(FILMS, "", {}, is_on=True) == (("a b",), ("d",))


def test_the_projects_description_is_the_question_where_there_is_no_header():
    described = read_label_texts(FILMS, "<p>Films &amp; more</p>", {}, is_on=True)
    assert described[1] == ("d", "Films & more d")
    headed = read_label_texts(the_task(HINTED), "<p>Films</p>", {}, is_on=True)
    assert headed == (("a b: hinted", "Which? a b: hinted"), ("other", "Which? other"))


def test_a_long_description_of_the_project_is_cut():
    assert len(read_label_texts(FILMS, "film " * 1000, {}, is_on=True)[1][1]) <= 302


def test_label_descriptions_with_words_override_the_config():
    hinted = the_task(HINTED.replace('<Header value="Which?"/>', ""))
    assert read_label_texts(hinted, "", {"a_b": "ours", "gone": "x"}, is_on=True) == (("ours",), ("other",))
    assert read_label_texts(hinted, "", {"a_b": " "}, is_on=True)[0] == ("a b: hinted",)


def test_with_names_off_no_label_has_texts():
    assert read_label_texts(the_task(HINTED), "Films", {"a_b": "ours"}, is_on=False) == ((), ())
