"""The LLM that the environment names, for commands that run without the service and its settings."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from model.errors import LLMError
from model.llm.asking import Candidates, Question
from model.llm.chat import Chat
from model.llm.memory import Ledger, RememberedChat
from model.llm.provider import PROVIDER_CHOICE, PROVIDERS, LLMConfig, model_names, open_chat
from model.simulation.setup import Askable, AskLLM
from model.tasks.classification.llm import select_by_strategy
from model.types import IntArray


def ask_llm_from(environment: Mapping[str, str], memory: Path, title: str, description: str) -> AskLLM:
    """Return a function that asks the LLM of LLM_PROVIDER, LLM_MODEL, LLM_BASE_URL and the provider's key.

    Args:
        environment: of the process.
        memory: folder of kept answers, so that a repeated simulation costs nothing.
        title: of the texts, for the LLM.
        description: what the labels are about, for the LLM.

    Raises:
        LLMError: one of these settings is missing or wrong.
    """
    chats = _open(environment, memory)

    def ask(askable: Askable, batch_size: int, rng: np.random.Generator) -> IntArray:
        question = Question(title, description, askable.labelled.label_set)
        candidates = Candidates(question, askable.texts, askable.embeddings_N_D, askable.labelled, askable.labelled_L_D)
        return select_by_strategy(askable.strategy, chats, candidates, batch_size, rng).rows_B

    return ask


def _open(environment: Mapping[str, str], memory: Path) -> list[Chat]:
    provider = environment.get("LLM_PROVIDER", "")
    if provider not in PROVIDERS:
        raise LLMError(f"LLM_PROVIDER is {provider!r}: set it to {PROVIDER_CHOICE}, and LLM_MODEL to one of its models")
    limit = int(_number(environment, "LLM_MAX_TOKENS_TOTAL", 0))
    ledger = Ledger(memory / "ledger.json", limit or None)
    usual = LLMConfig(provider, "")
    configs = [
        LLMConfig(
            provider,
            model,
            environment.get("LLM_BASE_URL", ""),
            environment.get(PROVIDERS[provider].key_setting, "").strip(),
            timeout_s=_number(environment, "LLM_TIMEOUT_S", usual.timeout_s),
            context_tokens=int(_number(environment, "LLM_CONTEXT_TOKENS", usual.context_tokens)),
        )
        for model in model_names(provider, environment.get("LLM_MODEL", ""))
    ]
    return [
        RememberedChat(open_chat(config), memory / "answers", ledger, config.identity, config.max_answer_tokens)
        for config in configs
    ]


def _number(environment: Mapping[str, str], name: str, usual: float) -> float:
    """A setting above 0; the usual value where it is not set."""
    text = environment.get(name, "")
    try:
        number = float(text) if text else usual
    except ValueError as error:
        raise LLMError(f"{name} is {text!r}: it takes a number") from error
    if text and not 0 < number < 1e9:
        raise LLMError(f"{name} is {text!r}: it takes a number above 0")
    return number
