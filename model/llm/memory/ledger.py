"""What has been asked of LLMs and what it cost, on disk, and the limit to it."""

import json
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from model.errors import LLMBudgetError
from model.llm.chat import Reply


@dataclass(frozen=True)
class Spent:
    """Everything since the first question.

    Attributes:
        asked: questions that went to a provider.
        from_cache: questions that an answer was remembered for.
        prompt_tokens, completion_tokens: tokens that were read and written.
        failed: how many of `asked` brought no answer.
    """

    asked: int = 0
    from_cache: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failed: int = 0

    @property
    def tokens(self) -> int:
        """Read and written."""
        return self.prompt_tokens + self.completion_tokens


class Ledger:
    """The account of one project. Its file is replaced whole, and read anew for every entry.

    Threads of a process may share a ledger; processes take turns anyway, as rounds do.
    """

    def __init__(
        self,
        file: Path,
        limit_tokens: int | None = None,
        price_per_million: tuple[float, float] | None = None,
    ) -> None:
        """An account that may be new.

        Args:
            file: JSON; it and its folder are made with the first entry.
            limit_tokens: most tokens, read and written, that may be spent; None: any number.
            price_per_million: of a million tokens read, and written, in whatever currency.
        """
        self._file = file
        self._limit_tokens = limit_tokens
        self._price_per_million = price_per_million
        self._lock = threading.Lock()

    def read(self) -> Spent:
        """The account as it stands.

        Raises:
            LLMBudgetError: the file is damaged, so that nobody knows what may still be spent.
        """
        try:
            return _parsed(json.loads(self._file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return Spent()
        except (OSError, ValueError) as error:
            raise LLMBudgetError(
                f"{self._file} cannot be read, so what was spent on LLMs is not known: delete it to count from 0"
            ) from error

    @property
    def spent_tokens(self) -> int:
        """Tokens read and written so far."""
        return self.read().tokens

    @property
    def cost(self) -> float | None:
        """What they cost, in the currency of the prices; None without prices."""
        if self._price_per_million is None:
            return None
        spent, (prompt_price, completion_price) = self.read(), self._price_per_million
        return (spent.prompt_tokens * prompt_price + spent.completion_tokens * completion_price) / 1e6

    def check(self, expected_tokens: int) -> None:
        """Refuse what would go past the limit.

        Args:
            expected_tokens: what the next question and its answer are likely to take.

        Raises:
            LLMBudgetError: the limit does not leave that much.
        """
        if self._limit_tokens is None:
            return
        spent = self.read().tokens
        if spent + expected_tokens > self._limit_tokens:
            raise LLMBudgetError(
                f"the next question takes about {expected_tokens:,} tokens; {spent:,} of "
                f"LLM_MAX_TOKENS_TOTAL={self._limit_tokens:,} are spent: raise the limit, or leave the LLM out"
            )

    def add(self, reply: Reply) -> None:
        """A question was answered by the provider."""
        self._enter(Spent(asked=1, prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens))

    def add_remembered(self) -> None:
        """A question was answered from memory, for nothing."""
        self._enter(Spent(from_cache=1))

    def add_failed(self, prompt_tokens: int = 0) -> None:
        """A question got no answer.

        Args:
            prompt_tokens: what it is likely to have cost all the same. A provider that has read a question charges for
                it, also where the answer came too late; and one that never answers in time must not be asked for ever.
        """
        self._enter(Spent(asked=1, failed=1, prompt_tokens=prompt_tokens))

    def _enter(self, entry: Spent) -> None:
        with self._lock:
            before, more = asdict(self.read()), asdict(entry)
            after = {name: count + more[name] for name, count in before.items()}
            self._file.parent.mkdir(parents=True, exist_ok=True)
            beside = self._file.with_name(f".{self._file.name}.tmp")
            beside.write_text(json.dumps(after), encoding="utf-8")
            beside.replace(self._file)


def _parsed(raw: object) -> Spent:
    if not isinstance(raw, dict) or not all(isinstance(count, int) and count >= 0 for count in raw.values()):
        raise ValueError("not an account")
    known = {name: raw[name] for name in asdict(Spent()) if name in raw}
    return replace(Spent(), **known)
