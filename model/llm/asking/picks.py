"""Ask for picks until there is an answer of use: read it, say what is wrong with it, and ask again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.errors import UnreadableAnswerError
from model.llm.asking.selection_prompt import SelectionPrompt, repeat_selection_prompt
from model.llm.chat import Chat
from model.llm.reading import PickedNumbers, find_faults, is_degenerate, read_picked_numbers

# The study's people asked again in 45 of 255 cases; what is not right after the second time does not get better.
TRIES = 3


@dataclass(frozen=True)
class PickedRows:
    """What one asking gave: rows of the caller's texts, as picked, each with the label that the LLM expects ("": none).

    Attributes:
        guesses: the label by row, in the order of the picks.
        faults: what is still wrong with it, in sentences.
        tries: how often it was asked.
    """

    guesses: Mapping[int, str]
    faults: tuple[str, ...] = ()
    tries: int = 1


def ask_for_picks(chat: Chat, prompt: SelectionPrompt) -> PickedRows:
    """Ask, and ask again up to twice, saying what was wrong.

    An answer that stays faulty is used as far as it goes: too long, its first picks; too short, those there are.

    Raises:
        UnreadableAnswerError: none of the answers can be used; the message says why the last one cannot.
        LLMError: the LLM does not answer.
    """
    messages = prompt.messages
    best: PickedRows | None = None
    wrong = ""
    for tries in range(1, TRIES + 1):
        reply = chat.ask(messages, prompt.schema)
        try:
            answer = read_picks(reply.text, prompt.rows, prompt.select, tries)
        except UnreadableAnswerError as error:
            wrong = str(error)
        else:
            if best is None or len(answer.guesses) > len(best.guesses):
                best = answer
            if not answer.faults:
                return answer
            wrong = " ".join(answer.faults)
        messages = repeat_selection_prompt(prompt, reply.text, wrong)
    if best is None:
        raise UnreadableAnswerError(f"asked {TRIES} times, and no answer can be used: {wrong}")
    return best


def read_picks(text: str, rows: Sequence[int], select: int, tries: int = 1) -> PickedRows:
    """Read which texts an answer picks, through the prompt's own map from number to row.

    Args:
        text: the answer.
        rows: by shown number.
        select: how many were asked for; further ones are left out.
        tries: how often it was asked.

    Raises:
        UnreadableAnswerError: it picks nothing, or counts instead of picking.
    """
    presented = len(rows)
    reading = read_picked_numbers(text, select, presented)
    if is_degenerate(reading.numbers):
        raise UnreadableAnswerError(
            "the numbers run on by a constant step, as if nothing had been read: choose by text"
        )
    numbers = [number for number in dict.fromkeys(reading.numbers) if 0 <= number < presented][:select]
    if not numbers:
        raise UnreadableAnswerError(f"none of the numbers is one of those shown, 0 to {presented - 1}")
    guesses = {rows[number]: _guess(reading, number) for number in numbers}
    return PickedRows(guesses, find_faults(reading.numbers, select, presented), tries)


def _guess(reading: PickedNumbers, number: int) -> str:
    return reading.guesses.get(number, "")
