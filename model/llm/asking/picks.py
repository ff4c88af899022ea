"""Ask for picks until an answer is usable: read the answer, name its faults, and ask again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.errors import UnreadableAnswerError
from model.llm.asking.selection_prompt import SelectionPrompt, repeat_selection_prompt
from model.llm.chat import Chat
from model.llm.reading import find_faults, is_degenerate, read_picked_numbers

# In the study, people asked again in 45 of 255 cases; more than two repetitions did not help.
TRIES = 3


@dataclass(frozen=True)
class PickedRows:
    """The picks of one answer, as rows of the caller's texts.

    Attributes:
        guesses: the label that the LLM expects, by row, in the order of the picks; empty where the LLM expects none.
        faults: the faults of the answer, in sentences.
        tries: how often the LLM was asked.
    """

    guesses: Mapping[int, str]
    faults: tuple[str, ...] = ()
    tries: int = 1


def ask_for_picks(chat: Chat, prompt: SelectionPrompt) -> PickedRows:
    """Ask, and ask again up to twice with the faults of the last answer.

    If every answer has faults, the one with the most picks is used; extra picks are cut.

    Raises:
        UnreadableAnswerError: no answer can be used; the message names the faults of the last one.
        LLMError: the LLM does not answer.
    """
    messages = prompt.messages
    best: PickedRows | None = None
    reason = ""
    for tries in range(1, TRIES + 1):
        reply = chat.ask(messages, prompt.schema)
        try:
            answer = read_picks(reply.text, prompt.rows, prompt.select, tries)
        except UnreadableAnswerError as error:
            reason = str(error)
        else:
            if best is None or len(answer.guesses) > len(best.guesses):
                best = answer
            if not answer.faults:
                return answer
            reason = " ".join(answer.faults)
        messages = repeat_selection_prompt(prompt, reply.text, reason)
    if best is None:
        raise UnreadableAnswerError(f"asked {TRIES} times, and no answer can be used: {reason}")
    return best


def read_picks(text: str, rows: Sequence[int], select: int, tries: int = 1) -> PickedRows:
    """Read the picks of an answer through the prompt's map from numbers to rows.

    Args:
        text: the answer.
        rows: the row of each shown number.
        select: how many picks the prompt requested; further picks are cut.
        tries: how often the LLM was asked.

    Raises:
        UnreadableAnswerError: the answer picks nothing, or counts off numbers.
    """
    presented = len(rows)
    picked = read_picked_numbers(text, select, presented)
    if is_degenerate(picked.numbers):
        raise UnreadableAnswerError(
            "the numbers run on by a constant step, as if nothing had been read: choose by text"
        )
    numbers = [number for number in dict.fromkeys(picked.numbers) if 0 <= number < presented][:select]
    if not numbers:
        raise UnreadableAnswerError(f"none of the numbers is one of those shown, 0 to {presented - 1}")
    guesses = {rows[number]: picked.guesses.get(number, "") for number in numbers}
    return PickedRows(guesses, find_faults(picked.numbers, select, presented), tries)
