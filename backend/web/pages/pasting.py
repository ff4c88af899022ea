"""For people with a chat window and no API key: the page gives the prompt and takes the answer."""

import time

from backend.errors import InvalidRequestError, StaleAnswerError
from backend.rounds.llm.choosing import ACTIVELLM
from backend.store.project_folder import ProjectFolder
from backend.store.selections import PASTED, PastePrompt, Picked, Selection
from model.llm.asking import balanced, read_picks
from model.llm.reading import match_label


def prompt_of(folder: ProjectFolder) -> PastePrompt:
    """What to paste into a chat window.

    Raises:
        InvalidRequestError: there is none.
    """
    prompt = folder.paste_prompt.read()
    if prompt is None:
        raise InvalidRequestError(
            f"project {folder.project_id} has no prompt: one is made with each order while there is no model, "
            "unless LLM_PROVIDER is set or COLD_START reads no text"
        )
    return prompt


def take_answer(folder: ProjectFolder, answer: str, made_at: float | None = None) -> Selection:
    """Read what an LLM answered to the prompt and keep its picks; the next round publishes them.

    Picks come in turns of each label that the LLM expects: whoever stops early has some of each.

    Args:
        folder: the project's.
        answer: all that the LLM wrote.
        made_at: which prompt it answers, if that is known.

    Raises:
        InvalidRequestError: there is no prompt that this could answer.
        StaleAnswerError: it answers an earlier prompt.
        UnreadableAnswerError: it picks nothing; says why.
    """
    prompt = prompt_of(folder)
    if made_at is not None and made_at != prompt.at:
        raise StaleAnswerError(
            "the texts have changed since this question was made, and its numbers mean others now: ask the new one"
        )
    said = read_picks(answer, prompt.task_ids, prompt.select).guesses
    guesses = {task_id: match_label(label, prompt.labels) for task_id, label in said.items()}
    picks = tuple(Picked(task_id, guesses[task_id], 1, 1) for task_id in balanced(guesses))
    selection = Selection(ACTIVELLM, PASTED, time.time(), picks)
    folder.selection.write(selection)
    return selection
