"""Patterns of the ways to write numbers of texts; `pick_shapes` gives each pattern its meaning.

`plain_lines` leaves single blanks within a line. So a pattern takes one blank where there may be several, and takes a
bounded number of signs before it can fail: no answer makes it slow.
"""

import re

DASH = "-\u2013\u2014"
_WORDS = r"data ?point|instance|sentence|example|sample|item|text|row|id|number|entry|entrie|index|indexe|indice"
# "Instance number 5", "ID: 5", "#5"
_NAME = rf"(?:(?:\b(?:{_WORDS})s?\b|\bno\.)(?:\s(?:id|number|index)s?\b)?\s?[:#]?\s?|#\s?)"
_COUNTED = rf"(?:(?:more|other|additional|extra|new|different|selected|{_WORDS})s?|most|of|out of)\b"
# A number that is no part of a word, date, decimal or address, and no price, share or count.
_NUMBER = rf"(?<![\w.$€£/-])\d{{1,7}}(?![\w%/]|[.:]\d|\s{_COUNTED})"
_RANGE = rf"{_NUMBER}(?:\s?[{DASH}]\s?\d{{1,7}}(?![\w-]))?"
# "[5]", "'5'", "5 (ironic)"
_UNIT = rf"{_NAME}?[\[(\"']?{_RANGE}[\])\"']?(?:\s?\([^()\d]{{1,40}}\))?"
_AND = r"(?:and|or|plus|und|et|y|e)"
_COMMA = rf"(?:\s?[,;&]\s?(?:{_AND}\s)?|\s{_AND}\s)"
_UNITS = rf"{_UNIT}(?:{_COMMA}{_UNIT})*"
_PAIR = rf"{_NAME}?{_NUMBER}\s?[:=]\s?[^\W\d][^\d,;:]{{0,40}}"

# "3, 17 and 20", "instances 0-31"
LIST = re.compile(
    rf"{_UNIT}(?:{_COMMA}{_UNIT})+|(?:^|(?<=: )|{_NAME})\[?{_NUMBER}\s?[{DASH}]\s?\d{{1,7}}(?![\w-])", re.IGNORECASE
)
RANGE = re.compile(rf"(\d{{1,7}})(?:\s?[{DASH}]\s?(\d{{1,7}}))?")
NOTED = re.compile(r"(\d{1,7})[\])]?\s?\(([^()\d]{1,40})\)")
THOUSANDS = re.compile(r"\d{1,3},\d{3}")
# "17: positive, 20: negative"
PAIRS = re.compile(rf"{_PAIR}(?:\s?[,;]\s?{_PAIR})+", re.IGNORECASE)
PAIR = re.compile(r"(\d{1,7})\s?[:=]\s?([^\d,;:]{1,41})")
# A line of nothing else: "3 17 20", "3/17/20/4"
SPACED = re.compile(rf"\[?\d{{1,7}}(?:(?:\s\d{{1,7}}){{2,}}|(?:\s?[{DASH}/|]\s?\d{{1,7}}){{3,}})\]?")
CELL = re.compile(rf"{_NAME}?[\[(\"']?(\d{{1,7}})[\])\"']?\s?[.,;|]?", re.IGNORECASE)
# "17: because", "Instance 17 - because", "17 (because)", "| 17 | because"
ITEM = re.compile(
    rf"{_NAME}?[\[(]?(\d{{1,7}})[\])]?(?:\s?[:.)|=→](?!\d)|\s[{DASH}=]{{1,9}}>?(?=\s)|\s?(?=\())\s?(\S.*)",
    re.IGNORECASE,
)
SENTENCE_ITEM = re.compile(rf"(?:instance|index|id)\s(?:number\s)?({_NUMBER})\s([a-z].*)", re.IGNORECASE)
# At the end "(17)" and "- ID 17", anywhere "[ID: 17]"
TAG = re.compile(
    rf"[\[(]\s?{_NAME}?(\d{{1,7}})\s?[\])]\.?$|[\[(]\s?{_NAME}(\d{{1,7}})\s?[\])]"
    rf"|\s[{DASH}]{{1,9}}\s?{_NAME}(\d{{1,7}})\.?$",
    re.IGNORECASE,
)

_NO_VERB = r"(?!\s(?!(?:to|as|for|which|because|since)\b)[a-z])"
ADDED = re.compile(
    r"\b(?:add(?:ing|ed|itional|itionally)?|also|more|another|extra|missing|remaining|last one|final one)\b"
    rf"[^.\d]{{0,80}}?({_NAME}{_NUMBER}|(?<=: ){_NUMBER}|(?<=add ){_NUMBER}){_NO_VERB}",
    re.IGNORECASE,
)
# A lone number without a name is a count: "I have to remove 2".
REMOVED = re.compile(
    rf"\b(?:remov\w{{1,9}}|drop\w{{0,9}}|swap\w{{0,9}})\s({_NAME}{_NUMBER}|{_UNIT}(?:{_COMMA}{_UNIT})+)", re.IGNORECASE
)
REPLACED = re.compile(rf"\breplac\w{{1,9}}\s({_UNITS})\s(?:with|by)\s({_UNITS})", re.IGNORECASE)

# The words before a list …
FOR_EXAMPLE = re.compile(r"(?:\be\.g\.,?|\bfor (?:example|instance),?|\bsuch as|\blike)[^.]{0,30}$", re.IGNORECASE)
IN_ADDITION = re.compile(
    r"\b(?:add|adding|added|additional|additionally|more|another|extra|missing|remaining"
    r"|also (?:\w{1,20} )?(?:add|includ|select|choos|pick|label|suggest|recommend)\w{0,9})\b",
    re.IGNORECASE,
)
NO_PICKS = re.compile(
    r"(?:the |these |instances? |ind(?:ex|ices) |texts? ){0,9}(?:already|previously|excluded|skipped|removed|rejected"
    r"|omitted|discarded|avoided|avoid|not (?:selected|chosen|included)|unselected|duplicates?|left out"
    r"|labell?ed so far)\b[^,]{0,40}",
    re.IGNORECASE,
)
# … and the words after a list.
SENTENCE_GOES_ON = re.compile(r"\)?,?\s[a-z]")
TOO = re.compile(r"\s(?:as well|too|in addition)\b", re.IGNORECASE)
LABELLED = re.compile(
    r"[\])]?,?\s(?:(?:which|that)\s)?(?:are|were|have|had|being)\s(?:been\s)?already\b", re.IGNORECASE
)
NOT_PICKED = re.compile(
    rf"[{DASH}:\s]{{0,9}}"
    r"(?:(?:do not|don't|not|un)[\s-]?(?:select|cho|includ|label|pick)|skip|exclud|reject|no(?:[:,.]|$))",
    re.IGNORECASE,
)
BULLET = re.compile(r"(?:[-*•‣◦+>|]{1,9}\s){1,9}")
