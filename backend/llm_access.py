"""An LLM by the settings, with what a project remembers of its answers and has spent on it."""

from backend.projects import ProjectFolder
from backend.settings import Settings
from model.errors import LLMError, LLMKeyError
from model.llm.chat import Chat
from model.llm.client import LLMConfig, open_chat
from model.llm.ledger import Ledger
from model.llm.remembered import RememberedChat


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


def open_llms(settings: Settings, folder: ProjectFolder) -> list[Chat]:
    """Every model of the settings, the one that chooses first; nothing is sent yet.

    Raises:
        LLMKeyError: there is no provider, or no key for it.
    """
    configs = [llm_config(settings, model) for model in settings.llm_models]
    ledger = open_ledger(settings, folder)
    chats: list[Chat] = [
        RememberedChat(
            open_chat(config), folder.llm_folder / "answers", ledger, config.identity, config.max_answer_tokens
        )
        for config in configs
        if config
    ]
    if not chats:
        raise LLMKeyError("no LLM: set LLM_PROVIDER to mistral or openai")
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
    except LLMError as error:
        return str(error)
    return ""
