"""A stand-in for an LLM: it gives the answers that a test scripts, and records the questions."""

import json
import re
from collections.abc import Callable, Iterable

from model.errors import LLMError
from model.llm.chat import Message, Reply

Answer = str | Reply | LLMError

# The line of a shown text: its number, then its words in quotation marks.
_SHOWN = re.compile(r'^\s*(\d+): (".*")\s*$')


class ScriptedChat:
    """Answers from a list, one a question, or from a function of the messages; an error is raised instead."""

    def __init__(
        self,
        answers: Iterable[Answer] | Callable[[tuple[Message, ...]], Answer],
        model: str = "scripted",
        context_tokens: int = 32_000,
    ) -> None:
        self.model = model
        self.context_tokens = context_tokens
        self.asked: list[tuple[Message, ...]] = []
        self.schemas: list[dict | None] = []
        if callable(answers):
            self._answer = answers
        else:
            left = iter(tuple(answers))
            self._answer = lambda _: next(left)

    def ask(self, messages, schema=None):
        self.asked.append(tuple(messages))
        self.schemas.append(schema)
        answer = self._answer(self.asked[-1])
        if isinstance(answer, LLMError):
            raise answer
        return answer if isinstance(answer, Reply) else Reply(answer)


def shown_texts(messages) -> dict[int, str]:
    """The numbered texts of a question, or of a repeated question."""
    lines = (
        _SHOWN.match(line) for message in messages if message.role == "user" for line in message.content.split("\n")
    )
    return {int(line[1]): json.loads(line[2]) for line in lines if line}


def picking(select: int, label_of: Callable[[str], str], wants: Callable[[str], bool] = lambda text: True):
    """An answerer that picks the first wanted texts and guesses a label for each."""

    def answer(messages) -> str:
        wanted = {number: text for number, text in shown_texts(messages).items() if wants(text)}
        # In the order of the texts, since a run of numbers would count as degenerate.
        chosen = sorted(wanted, key=lambda number: wanted[number][::-1])[:select]
        return json.dumps({"reasoning": "", "picks": [{"number": n, "label": label_of(wanted[n])} for n in chosen]})

    return answer


def labelling(label_of: Callable[[str], str], is_sure: Callable[[str], bool] = lambda text: True):
    """An answerer that labels every shown text."""

    def answer(messages) -> str:
        entries = [
            {"number": number, "label": label_of(text), "sure": is_sure(text)}
            for number, text in shown_texts(messages).items()
        ]
        return json.dumps({"labels": entries})

    return answer
