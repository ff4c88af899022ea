"""The words of an HTML text, read by libxml2's HTML parser.

Of the parsers that were tried, libxml2's alone takes time in proportion to the length for every input but one: end tags
without a start tag, below thousands of open elements. The limit on the length bounds that case, too. It is used as a
tokenizer, because trees of HTML5 parsers take quadratic time for many inputs.
"""

from collections.abc import Mapping
from typing import Any

from lxml import etree

# Seven times what an encoder reads of a text (`model.encoder.encoder.MAX_CHARACTERS`). The worst input takes 0.6 s.
MAX_MARKUP_CHARACTERS = 150_000
# Elements whose text nobody sees.
_UNSEEN = frozenset({"script", "style", "template", "title"})
# Elements that end a line. Unknown elements stand within a line, as they do in browsers.
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "br", "button", "caption", "center", "dd", "details"),
        *("dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "frameset"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "html", "legend", "li", "main", "menu", "nav"),
        *("ol", "optgroup", "option", "p", "pre", "search", "section", "select", "summary", "table", "tbody", "td"),
        *("textarea", "tfoot", "th", "thead", "tr", "ul"),
    )
)


def words_of(markup: str) -> str:
    """Return the words of an HTML text as people see them.

    Comments, scripts, styles and attributes are left out, and entities decoded. Elements within a line leave words
    whole (`<b>h</b>ello` is `hello`); every block has a line of its own. Only the first MAX_MARKUP_CHARACTERS count.

    Args:
        markup: HTML, or any other text.
    """
    parser = etree.HTMLParser(target=_Words(), encoding="utf-8", huge_tree=True)
    # An element around the text, because libxml2 refuses a document without any.
    read = f"<body>{markup[:MAX_MARKUP_CHARACTERS]}".encode("utf-8", "replace")
    lines = "".join(etree.fromstring(read, parser)).split("\n")
    return "\n".join(line for line in (" ".join(line.split()) for line in lines) if line)


class _Words:
    """Collects the pieces of text that libxml2 finds; a line break at the edges of each block."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._unseen = 0

    def start(self, tag: str, attributes: Mapping[str, Any]) -> None:
        self._unseen += tag in _UNSEEN
        self._end_line(tag)

    def end(self, tag: str) -> None:
        self._unseen -= tag in _UNSEEN
        self._end_line(tag)

    def _end_line(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._pieces.append("\n")

    def data(self, text: str) -> None:
        if not self._unseen:
            # White space in HTML, line breaks included, is a space.
            self._pieces.append(text.replace("\n", " "))

    def close(self) -> list[str]:
        return self._pieces
