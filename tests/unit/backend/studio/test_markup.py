from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.studio.markup import MAX_MARKUP_CHARACTERS, words_of
from tests.worst_cases import repeated, short_of, within

WORST = [
    *("<", "<b", "<b>", "<p>", "<div>", "</b>", "</", "<!--", "<!", "<?", "<!doctype", "&", "&#x", "&#9", "&amp"),
    *("<script>", "<style>", "<script", "</script>", "<textarea>", "<title>", "<plaintext>", "<template>", "<svg>"),
    *("<a ", '<a b="', "<a b='", '<a b=">', "<a/", "<![CDATA[", "]]>", "-->", "<!-->", "<table>", "<table>x", "<td>"),
    *("<b><p>", "<a><div>", "<select><option>", "<ul><li>", "<h1><h2>", "<form>", "<b><i></b></i>", "<nobr>"),
    *("<b id={n}>", "<x{n}>", "<b id={n}><p>", "</x{n}>", "\0", "\n", " ", " <", "\ud800", "🎬", "<b>x</b>"),
]


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("<p>Good &amp; <b>fine</b></p>", "Good & fine"),
        ("<b>h</b>ello <i>w</i>or<x-y>ld</x-y>", "hello world"),
        ("<p>one<p>two", "one\ntwo"),
        ("<div>one</div>two<br>three", "one\ntwo\nthree"),
        ("<ul><li>one<li>two</ul>", "one\ntwo"),
        ("<table><tr><td>one<td>two</table>", "one\ntwo"),
        ("one\n  two\r\nthree", "one two three"),
        ("good<script>alert('bad')</script> film", "good film"),
        ("<STYLE type='x'>p {color: red}</STYLE>good", "good"),
        ("<script>\nif (a < b) bad()\n</script>good<script>worse()</script>", "good"),
        ("good<script>worse(", "good"),
        ("<template><b>bad</b><template>worse</template></template>good", "good"),
        ("good<!-- a > b --> film<!-- bad", "good film"),
        ("<a title=\"1 > 0\" href='<b>'>good</a>", "good"),
        ("<html><head><title>bad</title><meta charset=latin-1></head><body>café", "café"),
        ('<?xml version="1.0" encoding="utf-16"?><p>café', "café"),
        ("a &lt; b", "a < b"),
        ("1 &lt;b&gt; 2 &amp;lt;", "1 <b> 2 &lt;"),
        ("a < b & c > d", "a < b & c > d"),
        ("&nbsp;&eacute;&#x1F600;&#233;", "é😀é"),
        ("half \ud800 pair", "half ? pair"),
        ("<br/>", ""),
        ("<!-- nothing -->", ""),
        ("", ""),
    ],
)
def test_only_the_words_that_people_see_are_read(markup, words):
    assert words_of(markup) == words


@pytest.mark.parametrize("piece", WORST, ids=short_of(WORST))
@pytest.mark.parametrize("before", ["", "<div>" * (MAX_MARKUP_CHARACTERS // 10)], ids=["", "deep"])
def test_a_million_characters_of_any_markup_are_read_in_two_seconds(piece, before):
    with within(2.0):
        words_of(before + repeated(piece))


def test_of_endless_markup_the_beginning_is_read():
    assert words_of("<p>good</p>" + " " * MAX_MARKUP_CHARACTERS + "<p>unread</p>") == "good"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\x85\u2028\u2029")))
@settings(max_examples=200, deadline=None)
def test_escaped_text_is_read_as_it_was(text):
    assert words_of(escape(text)) == " ".join(text.split())


@given(st.lists(st.sampled_from(WORST) | st.text(max_size=5), max_size=40))
@settings(max_examples=200, deadline=None)
def test_no_markup_is_an_error_and_no_words_are_blank(pieces):
    lines = words_of("".join(pieces)).split("\n")
    assert all(line == " ".join(line.split()) for line in lines)
