"""Labels in lines of text: `3: positive`, `3. **positive** (sure)`, `| 3 | positive | unsure |`."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from model.llm.reading.label_json import LabelEntry
from model.llm.reading.label_matching import match_label

_LINE = re.compile(
    r"[\s>*•|#\[(\"'`-]*(?:(?:text|number|no\.?)\s*#?)?(\d{1,6})[\s*\"'`]*[:.)\]=|→\u2013\u2014-][>\s]*(.+)",
    re.IGNORECASE,
)
# What closes a line: "(sure)", "not quite sure", "sure: false"
_REMARK = re.compile(
    r"\b(?P<denied>not\s+(?:\w+\s+)?|un)?(?:sure|certain)\b(?:\W*\b(?P<value>true|yes|false|no)\b)?\W*$", re.IGNORECASE
)
# Where a label may end and an explanation begin; a label holds fewer such places than this.
_EXPLAINED = re.compile(r"\s[-\u2013\u2014(|]|[:;,.*]\s")
_MOST_ENDS = 8
_WORD = re.compile(r"[^\W_]+")
_BETWEEN_LABELS = re.compile(r"[,;|+]|\s(?:and|&)\s")
_NO_LABELS = {"none", "nolabel", "nolabels", "noneofthem"}


def line_entries(said: str, labels: Sequence[str], is_multilabel: bool) -> Iterator[LabelEntry]:
    """What each line that begins with a number says of that text; labels are None where it names none of `labels`."""
    read = _read_several if is_multilabel else _read_one
    for line in said.splitlines():
        if found := _LINE.match(line):
            yield int(found[1]), *read(found[2].strip(), labels)


def _read_one(said: str, labels: Sequence[str]) -> tuple[list[str] | None, bool]:
    """A label, perhaps with a remark on how sure it is, or an explanation that names no other label."""
    # A label may itself be "unsure".
    if label := match_label(said, labels):
        return [label], False
    name, is_sure = _without_remark(said)
    label = match_label(name, labels) or _explained(name, labels)
    return ([label] if label else None), is_sure


def _explained(said: str, labels: Sequence[str]) -> str:
    for end in islice(_EXPLAINED.finditer(said), _MOST_ENDS):
        if label := match_label(said[: end.start()], labels):
            explanation = _words(said[end.start() :])
            others = [other for other in labels if other != label and _words(other) in explanation]
            return "" if others else label
    return ""


def _words(text: str) -> str:
    """Words in lower case between blanks, so that one text's can be looked for in another's."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "


def _read_several(said: str, labels: Sequence[str]) -> tuple[list[str], bool]:
    name, is_sure = _without_remark(said)
    if whole := match_label(name, labels):
        return [whole], is_sure
    if re.sub(r"[\W_]+", "", name.casefold()) in _NO_LABELS or name.startswith("[]"):
        return [], is_sure
    return _BETWEEN_LABELS.split(name), is_sure


def _without_remark(said: str) -> tuple[str, bool]:
    """A line without what it says of being sure, and whether it says that it is."""
    remark = _REMARK.search(said)
    if not remark:
        return said, False
    is_sure = not remark["denied"] and (remark["value"] or "yes").casefold() in ("yes", "true")
    return said[: remark.start()], is_sure
