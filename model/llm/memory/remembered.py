"""Answers that are kept: the same question is never paid for twice."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from model.errors import LLMError
from model.llm.asking import count_tokens
from model.llm.chat import Chat, Message, Reply
from model.llm.memory.ledger import Ledger
from model.llm.provider import LLMTimeoutError


class RememberedChat:
    """A chat whose answers are remembered in a folder and whose tokens are counted in a ledger.

    A file holds one reply and nothing of its question, and is replaced whole. Empty answers are not remembered.
    """

    def __init__(self, chat: Chat, folder: Path, ledger: Ledger, version: str = "", answer_tokens: int = 0) -> None:
        """A chat that remembers.

        Args:
            chat: who is asked what is not known yet.
            folder: of the replies; made with the first one.
            ledger: pays, and may refuse.
            version: what an answer depends on besides the messages, the schema and the model's name.
            answer_tokens: most tokens that an answer may have; with the question's they must be left in the ledger.
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
        """Answer a conversation, from memory if it was answered before: then it took no tokens.

        Raises:
            LLMBudgetError: it is not known, and asking would go past the limit.
            LLMError: see `Chat`.
        """
        file = self._folder / f"{self._key(messages, schema)}.json"
        known = _read(file)
        if known is not None:
            self._ledger.add_remembered()
            return known
        reply = self._ask(messages, schema)
        if reply.text.strip():
            _write(file, reply)
        return reply

    def _ask(self, messages: Sequence[Message], schema: Mapping[str, Any] | None) -> Reply:
        prompt_tokens = _count(messages, schema)
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
        asked = [self._version, self.model, [asdict(message) for message in messages], schema]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _count(messages: Sequence[Message], schema: Mapping[str, Any] | None) -> int:
    parts = [message.content for message in messages] + ([json.dumps(schema)] if schema is not None else [])
    return sum(map(count_tokens, parts))


def _with_usage(reply: Reply, prompt_tokens: int) -> Reply:
    """With a rough count where the provider says nothing."""
    return replace(
        reply,
        prompt_tokens=reply.prompt_tokens or prompt_tokens,
        completion_tokens=reply.completion_tokens or count_tokens(reply.text),
    )


def _read(file: Path) -> Reply | None:
    """The reply, or None if there is none that can be read: then it is asked for anew."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        text, is_cut = raw["text"], raw["is_cut"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return Reply(text, is_cut=is_cut) if isinstance(text, str) and isinstance(is_cut, bool) else None


def _write(file: Path, reply: Reply) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.tmp")
    beside.write_text(json.dumps(asdict(reply)), encoding="utf-8")
    beside.replace(file)
