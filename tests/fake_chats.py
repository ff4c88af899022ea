"""A fake LLM: it gives the answers of a test and remembers the questions."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from model.errors import LLMError
from model.llm.chat import Message, Reply

Answer = str | Reply | LLMError
Answerer = Callable[[tuple[Message, ...]], Answer]

# A prompt shows a text as its number, then the text in quotation marks.
_SHOWN = re.compile(r'^\s*(\d+): (".*")\s*$')


class ScriptedChat:
    """Answers from a list, one a question, or by a function of the messages; raises an answer that is an error."""

    def __init__(
        self,
        answers: Iterable[Answer] | Answerer,
        model: str = "scripted",
        context_tokens: int = 32_000,
    ) -> None:
        self.model = model
        self.context_tokens = context_tokens
        self.asked: list[tuple[Message, ...]] = []
        self.schemas: list[Mapping[str, Any] | None] = []
        if callable(answers):
            self._answer = answers
        else:
            left = iter(tuple(answers))
            self._answer = lambda _: next(left)

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any] | None = None) -> Reply:
        self.asked.append(tuple(messages))
        self.schemas.append(schema)
        answer = self._answer(self.asked[-1])
        if isinstance(answer, LLMError):
            raise answer
        return answer if isinstance(answer, Reply) else Reply(answer)


def shown_texts(messages: Iterable[Message]) -> dict[int, str]:
    """The numbered texts of a question, those of its repetitions included."""
    lines = (
        _SHOWN.match(line) for message in messages if message.role == "user" for line in message.content.split("\n")
    )
    return {int(line[1]): json.loads(line[2]) for line in lines if line}


def picking(select: int, label_of: Callable[[str], str], wants: Callable[[str], bool] = lambda text: True) -> Answerer:
    """An answerer that picks the first texts that `wants` accepts, and names a label for each."""

    def answer(messages: tuple[Message, ...]) -> str:
        wanted = {number: text for number, text in shown_texts(messages).items() if wants(text)}
        # Sorted by text: a list of consecutive numbers would be rejected as counting.
        chosen = sorted(wanted, key=lambda number: wanted[number][::-1])[:select]
        return json.dumps({"reasoning": "", "picks": [{"number": n, "label": label_of(wanted[n])} for n in chosen]})

    return answer


def labelling(label_of: Callable[[str], str], is_sure: Callable[[str], bool] = lambda text: True) -> Answerer:
    """An answerer that labels every shown text."""

    def answer(messages: tuple[Message, ...]) -> str:
        entries = [
            {"number": number, "label": label_of(text), "sure": is_sure(text)}
            for number, text in shown_texts(messages).items()
        ]
        return json.dumps({"labels": entries})

    return answer


def drafting(draft_of: Callable[[str], str]) -> Answerer:
    """An answerer that drafts something about every shown text."""

    def answer(messages: tuple[Message, ...]) -> str:
        shown = shown_texts(messages).items()
        return json.dumps({"drafts": [{"number": number, "text": draft_of(text)} for number, text in shown]})

    return answer
