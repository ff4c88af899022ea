"""The prompt for people with a chat window and no API key, and the answer that they paste."""

import time

from backend.errors import InvalidRequestError, StaleAnswerError
from backend.rounds.llm.choosing import ACTIVELLM
from backend.store.project_folder import ProjectFolder
from backend.store.selections import PASTED, PastePrompt, Picked, Selection
from model.llm.asking import balanced, read_picks
from model.llm.reading import match_label


def prompt_of(folder: ProjectFolder) -> PastePrompt:
    """Return the prompt to paste into a chat window.

    Raises:
        UnknownProjectError: nothing is kept of the project.
        InvalidRequestError: the project has no prompt.
    """
    folder.check_exists()
    prompt = folder.paste_prompt.read()
    if prompt is None:
        raise InvalidRequestError(
            f"project {folder.project_id} has no prompt: each order makes one while there is no model, "
            "unless LLM_PROVIDER is set or COLD_START reads no text"
        )
    return prompt


def take_answer(folder: ProjectFolder, answer: str, made_at: float | None = None) -> Selection:
    """Read an LLM's answer to the prompt and keep its picks; the next round publishes them.

    Picks alternate between the labels that the LLM guesses, so that people who stop early have labelled some of each.

    Args:
        folder: the project's.
        answer: the LLM's whole answer.
        made_at: when the answered prompt was made, in seconds since 1970; None if unknown.

    Raises:
        UnknownProjectError: nothing is kept of the project.
        InvalidRequestError: the project has no prompt.
        StaleAnswerError: the answer belongs to an earlier prompt.
        UnreadableAnswerError: the answer picks nothing; the message says why.
    """
    prompt = prompt_of(folder)
    if made_at is not None and made_at != prompt.at:
        raise StaleAnswerError(
            "the texts have changed since this question was made, and its numbers mean other texts now: ask the new "
            "question"
        )
    said = read_picks(answer, prompt.task_ids, prompt.select).guesses
    guesses = {task_id: match_label(label, prompt.labels) for task_id, label in said.items()}
    picks = tuple(Picked(task_id, guesses[task_id], 1, 1) for task_id in balanced(guesses))
    selection = Selection(ACTIVELLM, PASTED, time.time(), picks)
    folder.selection.write(selection)
    return selection
