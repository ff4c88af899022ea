"""What was spent on an LLM, and the answers that are kept.

It may import `provider` and `asking`. `simulation` and `backend` import it.
"""
