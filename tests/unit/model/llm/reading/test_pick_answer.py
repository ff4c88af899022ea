"""Answers as LLMs write them, and what a careful reader takes from each."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import UnreadableAnswerError
from model.llm.reading.pick_answer import read_picked_numbers

TEN = (3, 17, 20, 4, 55, 61, 8, 90, 12, 33)
TEN_COMMAS = "3, 17, 20, 4, 55, 61, 8, 90, 12, 33"
NUMBERED_PROSE = """I go by these steps:

1. **Diversity**: texts of all kinds, say 3 or 4 of each.
2. **Balance**: about 50% of each label.
3. **No duplicates**: of 2 equal texts 1 is enough.
"""

UGLY = {
    "one line": (TEN_COMMAS, TEN),
    "one line with words before and a stop": (f"I choose these 10 texts: {TEN_COMMAS}.", TEN),
    "no spaces": ("3,17,20,4,55,61,8,90,12,33", TEN),
    "and before the last": ("3, 17, 20, 4, 55, 61, 8, 90, 12, and 33", TEN),
    "semicolons": ("3; 17; 20; 4; 55; 61; 8; 90; 12; 33", TEN),
    "spaces alone": ("3 17 20 4 55 61 8 90 12 33", TEN),
    "full-width commas": (TEN_COMMAS.replace(", ", "\uff0c"), TEN),
    "no-break spaces and Windows line ends": (f"Here:\r\n\r\n{TEN_COMMAS}\r\n".replace(", ", ",\u00a0"), TEN),
    "bold": (f"**{TEN_COMMAS}**", TEN),
    "each in bold": ("**3**, **17**, **20**, **4**, **55**, **61**, **8**, **90**, **12**, **33**", TEN),
    "brackets": (f"Selection: [{TEN_COMMAS}]", TEN),
    "each in brackets": ("[3], [17], [20], [4], [55], [61], [8], [90], [12], [33]", TEN),
    "code block": (f"```python\nselected = [{TEN_COMMAS}]\n```", TEN),
    "code block over several lines": ("```\n3, 17, 20,\n4, 55, 61,\n8, 90, 12, 33\n```", TEN),
    "a column": ("My choice:\n3\n17\n20\n4\n55\n61\n8\n90\n12\n33\nGood luck!", TEN),
    "a column with blank lines": ("3\n\n17\n\n20\n\n4\n\n55\n\n61\n\n8\n\n90\n\n12\n\n33", TEN),
    "a column with commas": ("3,\n17,\n20,\n4,\n55,\n61,\n8,\n90,\n12,\n33", TEN),
    "bullets": ("".join(f"- {number}\n" for number in TEN), TEN),
    "a numbered column": ("".join(f"{place}. {number}\n" for place, number in enumerate(TEN, 1)), TEN),
    "a numbered list with names": (
        "".join(f"{place}. Instance {number}: a vivid scene\n" for place, number in enumerate(TEN, 1)),
        TEN,
    ),
    "a numbered list with tags behind": (
        "".join(f'{place}. "It has 3 stars." (ID: {number})\n' for place, number in enumerate(TEN, 1)),
        TEN,
    ),
    "names in one line": (", ".join(f"Text {number}" for number in TEN), TEN),
    "hashes": (" ".join(f"#{number}," for number in TEN).rstrip(","), TEN),
    "items with reasons": ("".join(f"Instance {n}: praises 2 of 5 actors, 12 times\n" for n in TEN), TEN),
    "items that quote the text": ("".join(f'{n}. "It lasts 90 minutes."\n' for n in TEN), TEN),
    "items, reasons below": ("".join(f"**ID: {n}**\n\nThis one is ironic.\n\n" for n in TEN), TEN),
    "items, chosen or not": (
        "".join(
            f"Instance {n} - {'Select' if n in TEN else 'Not selected'}: whatever\n" for n in sorted([*TEN, 5, 7, 21])
        ),
        tuple(sorted(TEN)),
    ),
    "a table": (
        "| # | Number | Why |\n|---|---|---|\n" + "".join(f"| {i} | {n} | vivid |\n" for i, n in enumerate(TEN, 1)),
        TEN,
    ),
    "categories": ("Positive: 3, 17, 20, 4, 55\nNegative: 61, 8, 90, 12, 33", TEN),
    "categories, the larger one last": ("Positive: 3, 17\nNegative: 20, 4, 55, 61, 8, 90, 12, 33", TEN),
    "categories with headings above": ("**Praise**\n- 3, 17, 20, 4, 55\n\n**Blame**\n- 61, 8, 90, 12, 33", TEN),
    "categories in numbered paragraphs": (
        "1. **3, 17, 20** - what praises\n2. **4, 55, 61** - what blames\n3. **8, 90, 12, 33** - what does neither",
        TEN,
    ),
    "categories, then all of them": (
        f"Plot: 3, 17, 20, 4, 55\nActors: 61, 8, 90\nRest: 12, 33\n\nAll: {TEN_COMMAS}",
        TEN,
    ),
    "numbered prose before": (f"{NUMBERED_PROSE}\n{TEN_COMMAS}", TEN),
    "numbered prose after": (f"{TEN_COMMAS}\n\n{NUMBERED_PROSE}", TEN),
    "reasons after, which name some of them": (
        f"{TEN_COMMAS}\n\nTexts 3, 17 and 20 are ironic, while 55 and 61 are not. For example, text 8 has 2 meanings.",
        TEN,
    ),
    "another list before": (f"First thought: 1, 2, 5, 6, 7, 9, 10, 11, 13, 14\n\nOn reflection:\n{TEN_COMMAS}", TEN),
    "examples before": (f"Some are ironic (e.g., 70, 71), others such as 81, 82 and 83 plain.\n\n{TEN_COMMAS}", TEN),
    "a late addition": (f"{TEN_COMMAS[:-8]}\n\nThat makes eight. I'd add 12, 33.", TEN),
    "one more when asked": (
        "3, 17, 20, 4, 55, 61, 8, 90, 12\n\nCan you give me one more?\n\n"
        'Sure, I would also select instance number 33:\n\n"A thriller."',
        TEN,
    ),
    "two more when asked, as items": (
        "3, 17, 20, 4, 55, 61, 8, 90\n\nTwo more, please.\n\nOf course:\n\n12: a thriller of 2003\n\n33: a comedy",
        TEN,
    ),
    "the rest when asked": (
        "3, 17, 20, 4, 55, 61\n\nThese are 6. Please give me 10.\n\nHere are the remaining ones:\n8, 90, 12, 33",
        TEN,
    ),
    "asked whether it is right, and said again": (
        f"3, 17, 20, 4\n\nAre those 10 texts?\n\nI apologize for the confusion. Here are 10 texts:\n\n{TEN_COMMAS}",
        TEN,
    ),
    "one is exchanged": (
        "3, 17, 20, 4, 55, 61, 8, 90, 12, 199\n\nThere is no 199!\n\nI'm sorry. Replace 199 with 33.",
        TEN,
    ),
    "too many, and some taken out again": (
        f"{TEN_COMMAS}, 71, 72\n\nThat is 12.\n\nYou are right: remove 71 and 72.",
        TEN,
    ),
    "labelled ones named first": (f"Already labeled: 0, 1, 2, 5, 6, 7, 9, 10, 11\n\nSelected: {TEN_COMMAS}", TEN),
    "left-out ones named last": (f"Selected: {TEN_COMMAS}\n\nNot selected: 0, 1, 2, 5, 6, 7, 9, 10, 11, 13, 14", TEN),
    "pages that a chat window counts": (
        f"1\n\n2\n\n3\nHere they are:\n\n{TEN_COMMAS[:-4]}\n\n1\n\n2\n\n3\nOne more:\n\n33: a comedy",
        TEN,
    ),
    "a name with digits, dates, shares, prices": (
        f"Mixtral 8x7b, 12/03/2024: of 1,300 texts 45% cost $5, see CVE-2021-26855 and v2.0.\n\n{TEN_COMMAS}",
        TEN,
    ),
    "numbered items below numbered paragraphs": (
        f"1. **Kinds**\n   1. short ones\n   2. long ones\n2. **Labels**\n   1. both\n\n{TEN_COMMAS}",
        TEN,
    ),
    "numbered items that are not in order": ("".join(f'{n}. "A film."\n' for n in (17, 1, 30, 5)), (17, 1, 30, 5)),
    "items with a second number behind": ("".join(f"{n}. A film. [ID: {31 * n + 500}]\n" for n in TEN), TEN),
    "a numbered list, dashes": ("".join(f'{i}. "A film." - Instance {n}\n' for i, n in enumerate(TEN, 1)), TEN),
    "a numbered list, numbers in brackets": ("".join(f"{i}. ({n}) a film\n" for i, n in enumerate(TEN, 1)), TEN),
    "arrows": ("".join(f"{n} -> positive\n" for n in TEN), TEN),
    "slashes": ("3/17/20/4/55/61/8/90/12/33", TEN),
    "dashes": ("3 - 17 - 20 - 4 - 55 - 61 - 8 - 90 - 12 - 33", TEN),
    "quotes": (", ".join(f'"{n}"' for n in TEN), TEN),
    "leading zeros": (", ".join(f"{n:03}" for n in TEN), TEN),
    "a formula": (f"$\\boxed{{{TEN_COMMAS}}}$", TEN),
    "tags": (f"<think>1, 2, 5, 6, 7, 9, 10, 11? No.</think>\n<answer>{TEN_COMMAS}</answer>", TEN),
    "another language": ("Ich wähle: 3, 17, 20, 4, 55, 61, 8, 90, 12 und 33", TEN),
    "lines without commas between": ("I choose:\n3, 17, 20, 4\n55, 61, 8, 90\n12, 33", TEN),
    "labelled ones in a sentence before": (
        f"Since 0, 1, 2, 5, 6, 7, 9, 10, 11, 13 have already been labeled, I choose: {TEN_COMMAS}",
        TEN,
    ),
    "labelled ones in a sentence after": (
        f"{TEN_COMMAS}\n\nI left out 0, 1, 2, 5, 6, 7, 9, 10, 11, 13, which are already labeled.",
        TEN,
    ),
    "others that were considered": (f"{TEN_COMMAS}\nI also considered 70, 71 and 72.", TEN),
    "a person's counts": (
        f"{TEN_COMMAS[:-8]}\n\nThat's only 8. Can you add another 2?\n\nSure! Adding 12 and 33.",
        TEN,
    ),
    "one more, in a sentence": (f"{TEN_COMMAS[:-4]}\n\nOne more?\n\nSure, you could add 33 to the list.", TEN),
    "one more, alone": (f"{TEN_COMMAS[:-4]}\n\nHere is 1 more: 33", TEN),
    "categories that are too many, the larger one last": (
        "Positive: 3, 17, 20\nNegative: 4, 55, 61, 8, 90, 12, 33, 70",
        (*TEN, 70),
    ),
    "categories after another list": (
        "5, 6, 7, 9, 10, 11, 13, 14, 15, 16\n\nBalance that, please.\n\n"
        "Positive: 3, 17, 20, 4, 55\nNegative: 61, 8, 90, 12, 33",
        TEN,
    ),
    "items cut off within a number, then the rest": (
        "".join(f"Instance {n}: a film\n" for n in (3, 17, 20, 55, 61, 62, 63))
        + "Instance 6\nfurther\n\nThe rest:\n"
        + "".join(f"Instance {n}: a film\n" for n in (64, 65, 66)),
        (3, 17, 20, 55, 61, 62, 63, 64, 65, 66),
    ),
    "a range": ("0-3, 17, 20, 50-54", (0, 1, 2, 3, 17, 20, 50, 51, 52, 53, 54)),
    "one range": ("I would label instances 0-9.", tuple(range(10))),
    "too many": ("1, 5, 9, 12, 15, 21, 22, 30, 31, 40, 41, 44, 47", (1, 5, 9, 12, 15, 21, 22, 30, 31, 40, 41, 44, 47)),
    "too few": ("I can only choose these: 3, 17, 20", (3, 17, 20)),
    "repeats": (f"{TEN_COMMAS}, 3, 17", TEN),
    "out of range": ("3, 17, 20, 4, 55, 61, 8, 90, 12, 999", (3, 17, 20, 4, 55, 61, 8, 90, 12, 999)),
    "degenerate": ("0, 1, 2, 3, 4, 5, 6, 7, 8, 9", tuple(range(10))),
    "JSON": (json.dumps({"reasoning": "1, 2, 3", "picks": [{"number": n, "label": "x"} for n in TEN]}), TEN),
    "JSON after prose in a code block": (
        f"{NUMBERED_PROSE} 5, 6, 7, 8, 9, 10, 11\n```json\n{json.dumps({'picks': TEN}, indent=2)}\n```",
        TEN,
    ),
    "JSON with numbers as strings": (json.dumps({"picks": [{"number": str(n), "label": None} for n in TEN]}), TEN),
    "JSON with bare numbers": (json.dumps({"picks": TEN}), TEN),
    "JSON cut off": (json.dumps({"picks": [{"number": n, "label": 'a "b"'} for n in TEN]})[:-12], TEN),
    "JSON of another shape, thoughts first": (json.dumps({"reasoning": "5, 6, 7, 8, 9", "indices": TEN}), TEN),
    "JSON with single quotes": (str({"picks": [{"number": n, "label": "x"} for n in TEN]}), TEN),
    "JSON with a comma too many": ('{"picks": [{"number": 3}, {"number": 17}, ]}', (3, 17)),
    "JSON with line ends and bad escapes in a string": (
        '{"reasoning": "1, 2, 3\n4, 5",\n "picks": [{"number": 3, "label": "a\\q"}, {"number": 17, "label": "b"}, ]}',
        (3, 17),
    ),
    "a JSON list of objects": (json.dumps([{"number": n, "label": "x"} for n in TEN]), TEN),
    "JSON of another shape": (json.dumps({"selected_indices": TEN}), TEN),
    "JSON after an empty example": (
        '{"picks": []}\n' + json.dumps({"picks": [{"number": n} for n in TEN]}),
        TEN,
    ),
}

UNREADABLE = {
    "nothing": "",
    "a refusal": "I'm sorry, but as an AI language model I can't choose texts for you.",
    "prose": NUMBERED_PROSE,
    "a question back": "Which of the 200 texts do you mean? Please give me the texts 0 to 199 first.",
    "texts without their numbers": '1. "A vivid film."\n2. "It is dull."\n3. "Go and see it."',
    "an example of the form": "I will answer as you asked, for example 1, 4, 5, once I have seen the texts.",
    "no picks": '{"reasoning": "3, 4, 5, 6, 7, 8, 9, 10, 11 and 12 are duplicates", "picks": []}',
    "cut off before the picks": '{"reasoning": "Texts 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 are alike, and',
    "invented table rows in one line": "ID: 129 | 15 July 2007 | A film | ID: 2225 ID: 127 | 12 July 2007 | ID: 2207",
    "deep nonsense": '{"a":' * 20_000,
    "dates": "I was last trained in 2021, 2022 and 2023.",
}


def named(table):
    return [pytest.param(*(case if isinstance(case, tuple) else (case,)), id=name) for name, case in table.items()]


@pytest.mark.parametrize(("answer", "numbers"), named(UGLY))
def test_an_answer_is_read_as_a_careful_reader_would(answer, numbers):
    assert read_picked_numbers(answer, 10, 200).numbers == numbers


@pytest.mark.parametrize("answer", named(UNREADABLE))
def test_an_answer_without_a_selection_is_refused_with_a_reason(answer):
    with pytest.raises(UnreadableAnswerError) as refused:
        read_picked_numbers(answer, 10, 200)
    assert "10" in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "guesses"),
    [
        pytest.param(
            '{"picks": [{"number": 3, "label": "Food & drink"}, {"number": 17}]}', {3: "Food & drink"}, id="JSON"
        ),
        pytest.param("3 (positive), 17 (negative), 20", {3: "positive", 17: "negative"}, id="in brackets"),
        pytest.param("3: positive, 17: negative", {3: "positive", 17: "negative"}, id="pairs"),
        pytest.param("- 3: positive\n- 17: negative", {3: "positive", 17: "negative"}, id="a line each"),
        pytest.param(
            "Praise: 3, 17\nBlame: 20, 4", {3: "Praise", 17: "Praise", 20: "Blame", 4: "Blame"}, id="categories"
        ),
        pytest.param(
            "**Praise:**\n3, 17\n**Blame:**\n20, 4", {3: "Praise", 17: "Praise", 20: "Blame", 4: "Blame"}, id="above"
        ),
        pytest.param(
            "Praise: 3, 17\nBlame: 20, 4\n\nAll: 3, 17, 20, 4",
            {3: "Praise", 17: "Praise", 20: "Blame", 4: "Blame"},
            id="said again",
        ),
        pytest.param("My picks: 3, 17, 20, 4", {}, id="no heading of a part"),
        pytest.param("- 3: it is hard to say what the author wants\n- 17: too", {17: "too"}, id="no sentence"),
    ],
)
def test_a_label_is_guessed_where_the_answer_gives_one(answer, guesses):
    assert read_picked_numbers(answer, 4, 200).guesses == guesses


def test_numbers_may_begin_elsewhere_and_the_count_of_texts_be_unknown():
    assert read_picked_numbers("Years: 2001, 2002\n\n1045, 1050, 1199, 1100", 4, 201, first=1045).numbers == (
        1045,
        1050,
        1199,
        1100,
    )
    assert read_picked_numbers("5, 2001", 4, None).numbers == (5, 2001)


SHAPES = {
    "comma": ", ".join,
    "and": lambda numbers: " and ".join(", ".join(numbers).rsplit(", ", 1)),
    "column": "\n".join,
    "bullets": lambda numbers: "".join(f"* {number}\n" for number in numbers),
    "bold": lambda numbers: f"**{', '.join(numbers)}**.",
    "code": lambda numbers: f"```\n{','.join(numbers)}\n```",
    "names": lambda numbers: ", ".join(f"Instance {number}" for number in numbers),
    "items": lambda numbers: "".join(f"Text {number}: has 2 of 3 signs\n" for number in numbers),
    "counted items": lambda numbers: "".join(f"{i}. Text {n} (for 1 reason)\n" for i, n in enumerate(numbers, 1)),
    "counted cells": lambda numbers: "".join(f"{i}) {n}\n" for i, n in enumerate(numbers, 1)),
    "categories": lambda numbers: f"- **Good**: {', '.join(numbers[:4])}\n- **Bad**: {', '.join(numbers[4:])}",
    "two turns": lambda numbers: f"{', '.join(numbers[:-2])}\n\nTwo more?\n\nSure: {', '.join(numbers[-2:])}",
    "JSON": lambda numbers: json.dumps({"reasoning": "1, 2, 3", "picks": [{"number": int(n)} for n in numbers]}),
}
choices = st.lists(st.integers(0, 199), min_size=8, max_size=40, unique=True)


@pytest.mark.parametrize("shape", SHAPES)
@given(numbers=choices, has_prose=st.booleans())
def test_any_choice_in_any_shape_is_read_back(shape, numbers, has_prose):
    # A column that begins 1, 2 … may be pages of a chat window.
    prose = f"{NUMBERED_PROSE}\nSo I choose:\n\n" if has_prose else ""
    answer = f"{prose}{SHAPES[shape]([str(number) for number in numbers])}\n\nThese differ in 3 ways."
    assert read_picked_numbers(answer, len(numbers), 200).numbers == tuple(numbers)


@given(st.text())
def test_no_text_is_an_accident(answer):
    try:
        reading = read_picked_numbers(answer, 4, 20)
    except UnreadableAnswerError:
        return
    assert reading.numbers
    assert len(set(reading.numbers)) == len(reading.numbers)
    assert reading.guesses.keys() <= set(reading.numbers)
