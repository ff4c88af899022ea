import pytest

from model.errors import LabelDescriptionError
from model.tasks.label_names import (
    MAX_CHARACTERS,
    check_described,
    label_texts,
    label_words,
    read_descriptions,
)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("card_payment_fee", "card payment fee"),
        ("Sci/Tech", "Sci Tech"),
        ("lostOrStolenCard", "lost Or Stolen Card"),
        ("talk.politics.mideast", "talk politics mideast"),
        ("non-profit", "non profit"),
        ("verlorenÄrger", "verloren Ärger"),
        ("  top   up \n failed ", "top up failed"),
        ("Business", "Business"),
        ("PDFs", "PDFs"),
        ("version 2.5", "version 2.5"),
        ("-5", "-5"),
        ("4", "4"),
        ("Refund?", "Refund?"),
        ("a\\b", "a b"),
        ("потеря_карты", "потеря карты"),
        ("紛失したカード", "紛失したカード"),
        ("بطاقة-مفقودة", "بطاقة مفقودة"),
        ("half \ud800 pair", "half ? pair"),
    ],
)
def test_a_label_is_read_as_words(label, words):
    assert label_words(label) == words


@pytest.mark.parametrize("label", ["", " ", "???", "_", "./-", "👍", "\ud800", "\n\t"])
def test_a_label_without_a_letter_or_digit_says_nothing(label):
    assert label_words(label) == ""
    assert label_texts([label], question="Which topic?") == ((),)


def test_a_label_of_2000_characters_is_cut_after_a_word():
    words = label_words("word_" * 400)
    assert MAX_CHARACTERS - 5 < len(words) <= MAX_CHARACTERS
    assert set(words.split()) == {"word"}


def test_a_label_of_one_word_that_never_ends_is_cut_all_the_same():
    assert label_words("x" * 2000) == "x" * MAX_CHARACTERS


def test_a_label_whose_words_come_after_the_cut_says_nothing():
    assert label_words("? " * 1000 + "card") == ""


def test_labels_alike_but_for_case_are_two_labels_that_say_nearly_the_same():
    assert label_texts(["Card", "card"]) == (("Card",), ("card",))


def test_each_label_has_a_text_in_the_order_of_the_labels():
    assert label_texts(["sci_fi", "???", "drama"]) == (("sci fi",), (), ("drama",))


def test_with_a_question_each_label_has_a_second_text():
    assert label_texts(["drama"], question="Which kind of film?") == (("drama", "Which kind of film? drama"),)


@pytest.mark.parametrize("question", ["", "  ", "???"])
def test_a_question_without_words_is_none(question):
    assert label_texts(["drama"], question=question) == (("drama",),)


def test_what_is_said_of_a_label_stands_in_place_of_its_name():
    assert label_texts(["c1", "drama"], {"c1": "a film\n that makes you laugh", "gone": "nothing"}) == (
        ("a film that makes you laugh",),
        ("drama",),
    )


def test_a_label_without_words_may_be_described():
    assert label_texts(["???"], {"???": "nobody knows"}) == (("nobody knows",),)


@pytest.mark.parametrize("said", ["", "???"])
def test_a_description_without_words_leaves_the_label_its_name(said):
    assert label_texts(["drama"], {"drama": said}) == (("drama",),)


def test_a_long_description_and_a_long_question_are_cut():
    own, both = label_texts(["c1"], {"c1": "laugh " * 400}, "Which? " * 400)[0]
    assert len(own) <= MAX_CHARACTERS
    assert len(both) <= 2 * MAX_CHARACTERS + 1


def test_descriptions_of_labels_that_exist_are_well():
    check_described(["neg", "pos"], {"pos": "praise"})
    check_described(["neg", "pos"], {})


def test_every_description_of_no_label_is_named_beside_the_labels_that_exist():
    with pytest.raises(LabelDescriptionError, match=r"'Pos', 'neutral'.*'neg', 'pos'$"):
        check_described(["neg", "pos"], {"Pos": "praise", "neg": "blame", "neutral": "neither"})


def test_of_many_labels_ten_are_named_and_the_rest_counted():
    with pytest.raises(LabelDescriptionError, match=r"'intent 9' and 67 more$") as caught:
        check_described([f"intent {n}" for n in range(77)], {"intent 77": "one too many"})
    assert "'intent 10'" not in str(caught.value)


def test_a_label_of_2000_characters_does_not_fill_the_message():
    with pytest.raises(LabelDescriptionError) as caught:
        check_described(["x" * 2000, "pos"], {"y" * 2000: "long"})
    assert len(str(caught.value)) < 500


def test_descriptions_are_read_from_a_file(tmp_path):
    file = tmp_path / "labels.json"
    file.write_text('\ufeff{"Größe": "wie groß", "half": "\\ud800 pair"}', encoding="utf-8")
    assert read_descriptions(file) == {"Größe": "wie groß", "half": "? pair"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not JSON"),
        (b"pos: praise", "is not JSON"),
        (b"\xff\xfe\xfa", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'["praise"]', "holds a JSON list"),
        (b"null", "holds a JSON NoneType"),
        (b'{"pos": 5}', "describes 'pos' by 5"),
        (b'{"pos": ["praise"]}', "describes 'pos' by"),
        (b'{"pos": null}', "describes 'pos' by None"),
    ],
)
def test_a_file_of_something_else_is_refused_with_an_example(tmp_path, content, told):
    file = tmp_path / "labels.json"
    file.write_bytes(content)
    with pytest.raises(LabelDescriptionError, match=f"labels.json {told}.*give a file with a JSON object"):
        read_descriptions(file)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LabelDescriptionError, match=r"nowhere\.json cannot be read \(No such file"):
        read_descriptions(tmp_path / "nowhere.json")
    with pytest.raises(LabelDescriptionError, match="cannot be read"):
        read_descriptions(tmp_path)
