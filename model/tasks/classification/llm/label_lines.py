"""Labels in lines of text: `3: positive`, `3. **positive** (sure)`, `| 3 | positive | unsure |`."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from model.llm.reading import match_label
from model.tasks.classification.llm.label_json import LabelEntry

_LINE = re.compile(
    r"[\s>*•|#\[(\"'`-]*(?:(?:text|number|no\.?)\s*#?)?(\d{1,6})[\s*\"'`]*[:.)\]=|→\u2013\u2014-][>\s]*(.+)",
    re.IGNORECASE,
)
# The remark that closes a line: "(sure)", "not quite sure", "sure: false"
_REMARK = re.compile(
    r"\b(?P<denied>not\s+(?:\w+\s+)?|un)?(?:sure|certain)\b(?:\W*\b(?P<value>true|yes|false|no)\b)?\W*$", re.IGNORECASE
)
# The places where a label may end and an explanation begin. Only the first few are tried.
_EXPLAINED = re.compile(r"\s[-\u2013\u2014(|]|[:;,.*]\s")
_MOST_ENDS = 8
_WORD = re.compile(r"[^\W_]+")
_BETWEEN_LABELS = re.compile(r"[,;|+]|\s(?:and|&)\s")
_NO_LABELS = {"none", "nolabel", "nolabels", "noneofthem"}


def line_entries(answer: str, labels: Sequence[str], is_multilabel: bool) -> Iterator[LabelEntry]:
    """An entry for each line that begins with a number; its labels are None where the line names none of `labels`."""
    read_line = _read_several if is_multilabel else _read_one
    for line in answer.splitlines():
        if found := _LINE.match(line):
            yield int(found[1]), *read_line(found[2].strip(), labels)


def _read_one(line: str, labels: Sequence[str]) -> tuple[list[str] | None, bool]:
    """A label, perhaps with a remark on how sure it is, or an explanation that names no other label."""
    # A label may itself be "unsure".
    if label := match_label(line, labels):
        return [label], False
    name, is_sure = _without_remark(line)
    label = match_label(name, labels) or _explained(name, labels)
    return ([label] if label else None), is_sure


def _explained(line: str, labels: Sequence[str]) -> str:
    for end in islice(_EXPLAINED.finditer(line), _MOST_ENDS):
        if label := match_label(line[: end.start()], labels):
            explanation = _words(line[end.start() :])
            others = [other for other in labels if other != label and _words(other) in explanation]
            return "" if others else label
    return ""


def _words(text: str) -> str:
    """The words of a text in lower case between blanks, to search for them in the words of another text."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "


def _read_several(line: str, labels: Sequence[str]) -> tuple[list[str], bool]:
    name, is_sure = _without_remark(line)
    if whole := match_label(name, labels):
        return [whole], is_sure
    if re.sub(r"[\W_]+", "", name.casefold()) in _NO_LABELS or name.startswith("[]"):
        return [], is_sure
    return _BETWEEN_LABELS.split(name), is_sure


def _without_remark(line: str) -> tuple[str, bool]:
    """A line without its remark on being sure, and whether the remark says sure."""
    remark = _REMARK.search(line)
    if not remark:
        return line, False
    is_sure = not remark["denied"] and (remark["value"] or "yes").casefold() in ("yes", "true")
    return line[: remark.start()], is_sure
