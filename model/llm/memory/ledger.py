"""The account of a project's questions to LLMs and their tokens, on disk, and the limit of tokens."""

import json
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from model.errors import LLMBudgetError
from model.files.damage import read_or_set_aside
from model.files.locks import alone_with
from model.files.writing import write_whole
from model.llm.chat import Reply
from model.seals import read_sealed, sealed


@dataclass(frozen=True)
class Spent:
    """Questions and tokens since the first question.

    Attributes:
        asked: questions that were sent to a provider.
        from_cache: questions that a remembered answer answered.
        prompt_tokens: tokens of the questions.
        completion_tokens: tokens of the answers.
        failed: how many of `asked` got no answer.
    """

    asked: int = 0
    from_cache: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failed: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of questions and answers."""
        return self.prompt_tokens + self.completion_tokens


class Ledger:
    """The account of one project, or of one of its questions. Every entry reads its file anew and replaces the file.

    Threads of a process may share a ledger. A round and a command of the same project may write at once: each entry
    locks the ledger's folder.
    """

    def __init__(
        self,
        file: Path,
        limit_tokens: int | None = None,
        price_per_million: tuple[float, float] | None = None,
        part_of: "Ledger | None" = None,
    ) -> None:
        """Open an account, which may be new.

        Args:
            file: a JSON file; the first entry creates the file and its folder.
            limit_tokens: upper limit of tokens of questions and answers; None: no limit.
            price_per_million: prices of a million tokens of questions, and of answers, in any currency.
            part_of: the account that has every entry of this one too, and whose limit holds for both; None for none.
        """
        self._file = file
        self._limit_tokens = limit_tokens
        self._price_per_million = price_per_million
        self._part_of = part_of
        self._lock = threading.Lock()

    def read(self) -> Spent:
        """The account as it stands. Without a limit of tokens, a damaged file is set aside and the account begins anew.

        Raises:
            LLMBudgetError: the file is damaged, so that nobody knows whether the limit is reached.
        """
        if self._limit_tokens is None:
            return read_or_set_aside(self._file, _parsed) or Spent()
        try:
            return _parsed(self._file.read_bytes())
        except FileNotFoundError:
            return Spent()
        except (OSError, ValueError) as error:
            raise LLMBudgetError(
                f"{self._file} cannot be read, so what was spent on LLMs is not known: delete it to count from 0"
            ) from error

    @property
    def cost(self) -> float | None:
        """The cost of all tokens so far, in the currency of the prices; None without prices."""
        if self._price_per_million is None:
            return None
        spent = self.read()
        return self.price_of(spent.prompt_tokens, spent.completion_tokens)

    def price_of(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """The cost of tokens of questions and answers, in the currency of the prices; None without prices."""
        if self._price_per_million is None:
            return None
        prompt_price, completion_price = self._price_per_million
        return (prompt_tokens * prompt_price + completion_tokens * completion_price) / 1e6

    def check(self, expected_tokens: int) -> None:
        """Refuse a question that would exceed the limit.

        Args:
            expected_tokens: the likely tokens of the question and its answer.

        Raises:
            LLMBudgetError: fewer tokens are left.
        """
        if self._part_of is not None:
            self._part_of.check(expected_tokens)
        if self._limit_tokens is None:
            return
        spent = self.read().tokens
        if spent + expected_tokens > self._limit_tokens:
            raise LLMBudgetError(
                f"the next question takes about {expected_tokens:,} tokens; {spent:,} of "
                f"LLM_MAX_TOKENS_TOTAL={self._limit_tokens:,} are spent: raise the limit, or leave the LLM out"
            )

    def add(self, reply: Reply) -> None:
        """Count a question that the provider answered."""
        self._enter(Spent(asked=1, prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens))

    def add_remembered(self) -> None:
        """Count a question that a remembered answer answered for nothing."""
        self._enter(Spent(from_cache=1))

    def add_failed(self, prompt_tokens: int = 0) -> None:
        """Count a question without an answer.

        Args:
            prompt_tokens: the tokens that the provider probably charges all the same, since it read the question. They
                also end the questions to a provider that never answers in time.
        """
        self._enter(Spent(asked=1, failed=1, prompt_tokens=prompt_tokens))

    def _enter(self, entry: Spent) -> None:
        if self._part_of is not None:
            self._part_of._enter(entry)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, alone_with(self._file.parent):
            before, more = asdict(self.read()), asdict(entry)
            after = {name: count + more[name] for name, count in before.items()}
            write_whole(self._file, sealed(json.dumps(after).encode()))


def _parsed(content: bytes) -> Spent:
    raw = read_sealed(content)
    if not isinstance(raw, dict) or not all(isinstance(count, int) and count >= 0 for count in raw.values()):
        raise ValueError("not an account")
    counts = {name: raw[name] for name in asdict(Spent()) if name in raw}
    return replace(Spent(), **counts)
