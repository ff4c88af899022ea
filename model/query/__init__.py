"""Query strategies: choose the texts to label next, from arrays alone.

This folder imports no other folder. `learner`, `llm`, `simulation`, `commands` and `backend` import it.
"""
