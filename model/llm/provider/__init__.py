"""The chat APIs of LLM providers: connections, retries, refusals.

It knows no prompt and reads no answer. `memory`, `simulation` and `backend` import it.
"""
