import time

import numpy as np
import pytest

from model.texts.copies import first_of_each, plain_form

LONG = "the card that i ordered two weeks ago has still not arrived at my new address and nobody answers the phone"


@pytest.mark.parametrize(
    "texts",
    [
        ("My card is lost", "my  CARD is lost"),
        ("Where is my card?", " where is my card"),
        ("straße", "STRASSE"),
        ("ﬁne film", "fine film"),
        ("wait\u00a0here", "wait here"),
    ],
)
def test_case_spaces_and_punctuation_make_no_other_text(texts):
    assert first_of_each(texts).tolist() == [0, 0]


@pytest.mark.parametrize(
    "other",
    [
        LONG.replace("phone", "phones"),
        LONG + " !!",
        LONG.replace("still not", "stil not"),
        LONG.replace("card", "cart"),
    ],
)
def test_a_slip_in_a_long_text_makes_a_near_copy(other):
    assert first_of_each((LONG, "something else", other)).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "texts",
    [
        ("top up 5 euros", "top up 50 euros"),
        ("a good film", "not a good film"),
        ("cancel my card", "cancel my account"),
        (LONG + " since 3 days", LONG + " since 4 days"),
        ("", ""),
        ("?!", "..."),
        ("great :)", "great :("),
        ("great 😀", "great 😡"),
        ("C", "C++"),
    ],
)
def test_another_number_or_word_in_a_short_text_makes_another_text(texts):
    assert first_of_each(texts).tolist() == [0, 1]


def test_every_copy_points_to_the_first():
    texts = ("a b c", "d", "A b, c", LONG, "D.", "a  b c", LONG + "s")
    assert first_of_each(texts).tolist() == [0, 1, 0, 3, 1, 0, 3]


def test_chains_end_at_a_first_text_that_is_its_own():
    rng = np.random.default_rng(0)
    base = [" ".join(f"{number:x}" for number in rng.integers(2**20, 2**24, 30)) for _ in range(30)]
    base = [text.translate(str.maketrans("0123456789", "ghijklmnop")) for text in base]
    texts = tuple(text + "s" * int(rng.integers(0, 4)) for text in base for _ in range(5))
    first_N = first_of_each(texts)
    assert (first_N[first_N] == first_N).all()
    assert len(set(first_N.tolist())) == 30


def test_fifty_thousand_texts_take_seconds():
    rng = np.random.default_rng(0)
    words = np.array([f"w{number:x}" for number in rng.integers(0, 2**20, 3_000)])
    texts = [" ".join(words[rng.integers(0, len(words), 12)]) for _ in range(49_000)]
    copies = [texts[row].upper() for row in range(1_000)]
    began = time.process_time()
    first_N = first_of_each((*texts, *copies))
    assert first_N[-1_000:].tolist() == list(range(1_000))
    assert time.process_time() - began < 30


LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))


def a_letter_with(words: int, seed: int) -> str:
    """A long text with the head that thousands of others have, too."""
    rng = np.random.default_rng(seed)
    said = " ".join("".join(LETTERS[rng.integers(0, 26, 6)]) for _ in range(words))
    return f"{'dear sir or madam we thank you for your order and remain at your service ' * 20}{said}"


def test_a_thousand_long_texts_with_the_same_head_take_seconds():
    texts = [a_letter_with(1_500, seed) for seed in range(1_000)]
    near_copy = texts[0].replace("thank", "thanked")
    began = time.process_time()
    first_N = first_of_each((*texts, near_copy))
    assert time.process_time() - began < 5
    assert first_N.tolist() == [*range(1_000), 0]


def test_the_plain_form_keeps_letters_of_every_script():
    assert plain_form("  Ärger, mit der KARTE! ") == "ärger mit der karte"
    assert plain_form("我的卡丢了。") == "我的卡丢了"
