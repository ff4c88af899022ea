"""The account of an LLM's tokens, and its answers on disk.

This folder may import `provider` and `asking`. `simulation` and `backend` import it.
"""

from model.llm.memory.ledger import Ledger, Spent
from model.llm.memory.remembered import RememberedChat

__all__ = ["Ledger", "RememberedChat", "Spent"]
