"""An LLM's answers, read: which numbers it picks, which labels it gives, and what is wrong with it.

It imports the records alone. Only `asking` and `backend` import it.
"""
