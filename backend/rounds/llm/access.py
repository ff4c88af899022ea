"""Access to the LLM of the settings, through a project's cache of answers and its ledger of tokens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from model.errors import LLMError, LLMKeyError, TrainingCancelledError
from model.llm.asking import MOST_PICKS, SHOWN_PER_PICK, Question, build_selection_prompt
from model.llm.chat import Chat, Message, Reply
from model.llm.memory import Ledger, RememberedChat
from model.llm.provider import PROVIDER_CHOICE, LLMConfig, open_chat
from model.types import LabelSet


def llm_config(settings: Settings, model: str = "") -> LLMConfig | None:
    """Build the configuration of an LLM.

    Args:
        settings: the settings.
        model: name of the model; empty for the first model of LLM_MODEL.

    Returns:
        The configuration; None if LLM_PROVIDER is not set.
    """
    if settings.llm_provider is None:
        return None
    return LLMConfig(
        provider=settings.llm_provider,
        model=model or settings.llm_models[0],
        base_url=settings.llm_base_url or "",
        api_key=settings.llm_key,
        timeout_s=settings.llm_timeout_s,
        context_tokens=settings.llm_context_tokens,
    )


@dataclass(frozen=True)
class StoppableChat:
    """A chat that asks no further question after the worker was told to stop.

    Attributes:
        chat: the chat that answers.
        should_stop: returns True if the worker should stop.
    """

    chat: Chat
    should_stop: Callable[[], bool]

    @property
    def model(self) -> str:
        """See `Chat`."""
        return self.chat.model

    @property
    def context_tokens(self) -> int:
        """See `Chat`."""
        return self.chat.context_tokens

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any] | None = None) -> Reply:
        """See `Chat`.

        Raises:
            TrainingCancelledError: `should_stop` returned True; the next round finds the earlier answers in the cache.
            LLMError: the LLM gave no answer.
        """
        if self.should_stop():
            raise TrainingCancelledError("the worker was told to stop; another worker runs the round again")
        return self.chat.ask(messages, schema)


def open_llms(settings: Settings, folder: ProjectFolder, should_stop: Callable[[], bool]) -> list[Chat]:
    """Open a chat with each model of LLM_MODEL; nothing is sent yet.

    Args:
        settings: the settings.
        folder: the folder of the question that the LLM is asked about, which counts its tokens. The project's folder
            caches answers, and counts the tokens of all questions.
        should_stop: returns True if the worker should stop.

    Returns:
        The chats; the first chooses texts.

    Raises:
        LLMKeyError: LLM_PROVIDER or the provider's API key is not set.
    """
    configs = [llm_config(settings, model) for model in settings.llm_models]
    ledger, answers = open_question_ledger(settings, folder), folder.of_project.llm_folder / "answers"
    chats: list[Chat] = [
        StoppableChat(
            RememberedChat(open_chat(config), answers, ledger, config.identity, config.max_answer_tokens),
            should_stop,
        )
        for config in configs
        if config
    ]
    if not chats:
        raise LLMKeyError(f"no LLM: set LLM_PROVIDER to {PROVIDER_CHOICE}")
    return chats


def open_ledger(settings: Settings, folder: ProjectFolder) -> Ledger:
    """Open the ledger of a project's tokens and costs.

    Args:
        settings: the settings, with limit and prices.
        folder: the project's own folder.
    """
    prices = (settings.llm_price_input, settings.llm_price_output)
    both_prices = None if prices[0] is None or prices[1] is None else (prices[0], prices[1])
    return Ledger(folder.llm_folder / "ledger.json", settings.llm_max_tokens_total, both_prices)


def open_question_ledger(settings: Settings, folder: ProjectFolder) -> Ledger:
    """Open the ledger of one question; its entries are in the project's ledger too, and the project's limit holds.

    Args:
        settings: the settings, with limit and prices.
        folder: the question's folder.
    """
    return Ledger(folder.llm_folder / "question.json", part_of=open_ledger(settings, folder.of_project))


def problem_at_start(settings: Settings) -> str:
    """Return what is wrong with the LLM's settings, without a request to the LLM; empty if nothing is wrong."""
    config = llm_config(settings)
    if config is None:
        return ""
    try:
        open_chat(config)
        check_context(settings)
    except LLMError as error:
        return str(error)
    return ""


def check_context(settings: Settings) -> None:
    """Check that a prompt for one batch of very short texts fits into LLM_CONTEXT_TOKENS.

    Raises:
        LLMContextError: the prompt does not fit.
    """
    batch_size = min(settings.query_size, MOST_PICKS)
    texts = ["text"] * (SHOWN_PER_PICK * batch_size)
    empty_question = Question("", "", LabelSet(()))
    build_selection_prompt(empty_question, texts, range(len(texts)), batch_size, settings.llm_context_tokens)
