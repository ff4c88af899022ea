"""What an LLM is asked, and what is made of its answers: prompts, tries, picks, labels, committees, routing.

It may import `reading` and `model.query`. `memory`, `simulation` and `backend` import it.
"""
