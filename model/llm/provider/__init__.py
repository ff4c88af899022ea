"""The chat APIs of LLM providers: connections, retries, refusals.

This folder knows no prompt and reads no answer. `memory`, `simulation` and `backend` import it.
"""

from model.llm.provider.config import LLMConfig
from model.llm.provider.opening import check_llm, open_chat
from model.llm.provider.providers import PROVIDER_CHOICE, PROVIDERS, model_names
from model.llm.provider.refusals import LLMTimeoutError

__all__ = ["PROVIDERS", "PROVIDER_CHOICE", "LLMConfig", "LLMTimeoutError", "check_llm", "model_names", "open_chat"]
