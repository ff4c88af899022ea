import pytest

from backend.studio.config.texts import read_text
from model.encoder.encoder import MAX_CHARACTERS
from model.llm.asking.framing import shorten
from model.tasks.classification.task import Classification
from tests.fakes import the_task

TEXT = '<Text name="t" value="$text"/>'
CHOICES = '<Choices name="c" toName="t"><Choice value="neg"/><Choice value="pos"/></Choices>'


def view(*tags: str) -> str:
    return f"<View>{''.join(tags)}</View>"


def over(kind: str, **attributes: str) -> Classification:
    """The question of a config with one text object of a kind."""
    given = " ".join(f'{key}="{value}"' for key, value in {"name": "t", "value": "$text", **attributes}.items())
    return the_task(view(f"<{kind} {given}/>", CHOICES))


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
        (True, "true"),
        (["good", "film", 5, None], "good,film,5,"),
        ({"text": "good"}, ""),
        ("half \ud800 pair", "half ? pair"),
    ],
)
def test_a_text_is_read_as_it_stands(value, text):
    assert read_text([over("Text")], {"text": value, "other": "unseen"}) == text


def test_only_the_words_of_hypertext_are_read():
    assert read_text([over("HyperText")], {"text": "<p>Good &amp; <b>f</b>ine</p>"}) == "Good & fine"
    assert read_text([over("Text")], {"text": "<p>Good &amp; fine</p>"}) == "<p>Good &amp; fine</p>"


@pytest.mark.parametrize("kind", ["Text", "HyperText", "Paragraphs"])
def test_of_a_long_text_as_much_is_kept_as_an_encoder_reads_and_nothing_is_added(kind):
    task, long = over(kind), "good film " * 10_000
    assert read_text([task], {"text": long}) == long[:MAX_CHARACTERS]
    assert read_text([task], {"text": long[:MAX_CHARACTERS]}) == long[:MAX_CHARACTERS].strip()


def test_where_people_read_a_text_that_is_cut_it_ends_in_a_mark():
    task, long = over("Text"), "good film " * 10_000
    assert read_text([task], {"text": long}, " […]") == f"{long[:MAX_CHARACTERS]} […]"
    assert read_text([task], {"text": "x" * MAX_CHARACTERS}, " […]") == "x" * MAX_CHARACTERS


def test_people_see_by_a_mark_that_a_text_is_not_whole():
    read = read_text([over("Text")], {"text": "good film " * 10_000})
    assert shorten(read, 200).endswith("[…]")


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
def test_paragraphs_are_read_as_lines_with_their_speakers(lines, text):
    assert read_text([over("Paragraphs")], {"text": lines}) == text


def test_paragraphs_may_name_their_keys():
    talk = over("Paragraphs", nameKey="who", textKey="said")
    assert read_text([talk], {"text": [{"who": "Ann", "said": "hi", "text": "unseen"}]}) == "Ann: hi"


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
def test_a_dotted_key_is_looked_up_inside_a_field(data, text):
    assert read_text([over("Text", value="$film.review")], data) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"m": [{"content": "good"}, {"content": "bad"}]}, "good"),
        ({"m": []}, ""),
        ({"m": {"0": {"content": "good"}}}, "good"),
        ({"m": "good"}, ""),
        ({"m": [["good"]]}, ""),
        ({"m": None}, ""),
        ({"m[0].content": "good", "m": [{"content": "bad"}]}, "good"),
    ],
)
def test_a_path_leads_into_lists(data, text):
    assert read_text([over("Text", value="$m[0].content")], data) == text


def test_an_entry_that_no_list_has_is_no_text():
    assert read_text([over("Text", value=f"$m[{'9' * 5000}]")], {"m": ["good"]}) == ""
    assert read_text([over("Text", value="$m[-1]")], {"m": ["good"]}) == ""


@pytest.mark.parametrize(
    ("encoding", "value", "text"),
    [
        ("base64", "Z29vZA==", "good"),
        ("base64", "Z29v\nZA==", "good"),
        ("base64", "w6k=", "Ã©"),
        ("base64unicode", "w6k=", "é"),
        ("base64unicode", "/w==", ""),
        ("base64", "no base64!", ""),
        ("base64", 5, ""),
        ("base64", None, ""),
        ("none", "Z29vZA==", "Z29vZA=="),
    ],
)
def test_base64_is_decoded_as_a_browser_decodes_it(encoding, value, text):
    assert read_text([over("Text", encoding=encoding)], {"text": value}) == text


def test_several_texts_are_joined_by_blank_lines_and_missing_ones_left_out():
    two = the_task(view(TEXT, '<Text name="title" value="$title"/>', CHOICES))
    assert read_text([two], {"title": "Jaws", "text": "good"}) == "good\n\nJaws"
    assert read_text([two], {"title": "Jaws"}) == "Jaws"
    assert read_text([two], {}) == ""
