"""Remember the answers of an LLM, so that nobody pays twice for the same question."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from model.errors import LLMError
from model.files.writing import write_whole
from model.llm.asking import count_tokens
from model.llm.chat import Chat, Message, Reply
from model.llm.memory.ledger import Ledger
from model.llm.provider import LLMTimeoutError
from model.seals import read_sealed, sealed


class RememberedChat:
    """A chat that stores answers in a folder and counts tokens in a ledger.

    A file holds one answer and nothing of its question, and is replaced whole. Empty answers are not stored.
    """

    def __init__(self, chat: Chat, folder: Path, ledger: Ledger, version: str = "", answer_tokens: int = 0) -> None:
        """Wrap a chat.

        Args:
            chat: answers the questions that have no stored answer.
            folder: holds the answers; the first answer creates the folder.
            ledger: counts tokens, and refuses questions past its limit.
            version: everything that an answer depends on besides the messages, the schema and the model's name.
            answer_tokens: upper limit of an answer; the ledger must have room for question and answer.
        """
        self._chat = chat
        self._folder = folder
        self._ledger = ledger
        self._version = version
        self._answer_tokens = answer_tokens

    @property
    def model(self) -> str:
        """See `Chat`."""
        return self._chat.model

    @property
    def context_tokens(self) -> int:
        """See `Chat`."""
        return self._chat.context_tokens

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any] | None = None) -> Reply:
        """Answer a conversation, from the stored answer where there is one; a stored answer counts no tokens.

        Raises:
            LLMBudgetError: there is no stored answer, and asking would exceed the limit.
            LLMError: see `Chat`.
        """
        file = self._folder / f"{self._key(messages, schema)}.json"
        stored = _read(file)
        if stored is not None:
            self._ledger.add_remembered()
            return stored
        reply = self._ask(messages, schema)
        if reply.text.strip():
            _write(file, reply)
        return reply

    def _ask(self, messages: Sequence[Message], schema: Mapping[str, Any] | None) -> Reply:
        prompt_tokens = _question_tokens(messages, schema)
        self._ledger.check(prompt_tokens + self._answer_tokens)
        try:
            reply = self._chat.ask(messages, schema)
        except LLMTimeoutError:
            self._ledger.add_failed(prompt_tokens)
            raise
        except LLMError:
            self._ledger.add_failed()
            raise
        counted = _with_usage(reply, prompt_tokens)
        self._ledger.add(counted)
        return counted

    def _key(self, messages: Sequence[Message], schema: Mapping[str, Any] | None) -> str:
        question = [self._version, self.model, [asdict(message) for message in messages], schema]
        return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()


def _question_tokens(messages: Sequence[Message], schema: Mapping[str, Any] | None) -> int:
    parts = [message.content for message in messages] + ([json.dumps(schema)] if schema is not None else [])
    return sum(map(count_tokens, parts))


def _with_usage(reply: Reply, prompt_tokens: int) -> Reply:
    """The reply with estimated tokens where the provider gives no count."""
    return replace(
        reply,
        prompt_tokens=reply.prompt_tokens or prompt_tokens,
        completion_tokens=reply.completion_tokens or count_tokens(reply.text),
    )


def _read(file: Path) -> Reply | None:
    """The stored reply; None without a readable file."""
    try:
        raw = read_sealed(file.read_bytes())
        text, is_cut = raw["text"], raw["is_cut"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return Reply(text, is_cut=is_cut) if isinstance(text, str) and isinstance(is_cut, bool) else None


def _write(file: Path, reply: Reply) -> None:
    write_whole(file, sealed(json.dumps(asdict(reply)).encode()))
