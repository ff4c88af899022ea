"""An LLM by the settings, with what a project remembers of its answers and has spent on it."""

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


def llm_config(settings: Settings, model: str = "") -> LLMConfig | None:
    """How to reach the LLM, or another model of the same provider; None without one."""
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
    """A chat whose worker may be told to stop: then the next question is not asked."""

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
            TrainingCancelledError: the worker is to stop; whoever runs the round again finds the answers so far.
            LLMError: there is no answer.
        """
        if self.should_stop():
            raise TrainingCancelledError("the worker was told to stop; the round is run again")
        return self.chat.ask(messages, schema)


def open_llms(settings: Settings, folder: ProjectFolder, should_stop: Callable[[], bool]) -> list[Chat]:
    """Every model of the settings, the one that chooses first; nothing is sent yet.

    Raises:
        LLMKeyError: there is no provider, or no key for it.
    """
    configs = [llm_config(settings, model) for model in settings.llm_models]
    ledger = open_ledger(settings, folder)
    chats: list[Chat] = [
        StoppableChat(
            RememberedChat(
                open_chat(config), folder.llm_folder / "answers", ledger, config.identity, config.max_answer_tokens
            ),
            should_stop,
        )
        for config in configs
        if config
    ]
    if not chats:
        raise LLMKeyError(f"no LLM: set LLM_PROVIDER to {PROVIDER_CHOICE}")
    return chats


def open_ledger(settings: Settings, folder: ProjectFolder) -> Ledger:
    """What a project has spent."""
    prices = (settings.llm_price_input, settings.llm_price_output)
    known = None if prices[0] is None or prices[1] is None else (prices[0], prices[1])
    return Ledger(folder.llm_folder / "ledger.json", settings.llm_max_tokens_total, known)


def problem_at_start(settings: Settings) -> str:
    """What can be seen to be wrong with the LLM's settings without asking anybody; empty if nothing is."""
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
    """See whether the question for a batch would fit into the context, however short its texts are.

    Raises:
        LLMContextError: it would not.
    """
    batch_size = min(settings.query_size, MOST_PICKS)
    texts = ["text"] * (SHOWN_PER_PICK * batch_size)
    nothing_asked = Question("", "", (), is_multilabel=False)
    build_selection_prompt(nothing_asked, texts, range(len(texts)), batch_size, settings.llm_context_tokens)
