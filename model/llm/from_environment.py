"""The LLM that the environment names, for commands that run without the service and its settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from model.errors import LLMError
from model.llm.candidates import Candidates
from model.llm.chat import Chat
from model.llm.client import open_chat
from model.llm.config import KEY_SETTINGS, LLMConfig
from model.llm.ledger import Ledger
from model.llm.question import Question
from model.llm.remembered import RememberedChat
from model.llm.strategies import select
from model.simulation import AskLLM
from model.types import FloatArray, IntArray, Targets


def ask_llm_from(environment: Mapping[str, str], memory: Path, title: str, description: str) -> AskLLM:
    """What asks the LLM of LLM_PROVIDER, LLM_MODEL, LLM_BASE_URL and the provider's key; nothing is sent yet.

    Args:
        environment: of the process.
        memory: where answers are kept, so that what is simulated again costs nothing.
        title: of the texts, for the LLM.
        description: what the labels are about, for the LLM.

    Raises:
        LLMError: one of these is missing or wrong.
    """
    chats = _open(environment, memory)

    def ask(
        strategy: str,
        texts: Sequence[str],
        embeddings_N_D: FloatArray,
        labelled: Targets,
        labelled_L_D: FloatArray,
        batch_size: int,
        rng: np.random.Generator,
    ) -> IntArray:
        label_set = labelled.label_set
        question = Question(title, description, label_set.labels, label_set.is_multilabel)
        candidates = Candidates(question, texts, embeddings_N_D, labelled, labelled_L_D)
        return select(strategy, chats, candidates, batch_size, rng).rows_B

    return ask


def _open(environment: Mapping[str, str], memory: Path) -> list[Chat]:
    named = environment.get("LLM_PROVIDER", "")
    provider = next((known for known in KEY_SETTINGS if known == named), None)
    if provider is None:
        raise LLMError(f"LLM_PROVIDER is {named!r}: set it to mistral or openai, and LLM_MODEL to one of its models")
    limit = environment.get("LLM_MAX_TOKENS_TOTAL", "")
    if limit and not limit.isdecimal():
        raise LLMError(f"LLM_MAX_TOKENS_TOTAL is {limit!r}: it takes a whole number")
    ledger = Ledger(memory / "ledger.json", int(limit) if limit else None)
    configs = [
        LLMConfig(
            provider, model.strip(), environment.get("LLM_BASE_URL", ""), environment.get(KEY_SETTINGS[provider], "")
        )
        for model in environment.get("LLM_MODEL", "").split(",")
    ]
    return [
        RememberedChat(open_chat(config), memory / "answers", ledger, config.identity, config.max_answer_tokens)
        for config in configs
    ]
