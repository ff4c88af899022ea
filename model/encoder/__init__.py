"""The BERT encoder: load it, embed and score texts with it, batch by batch on every core.

This folder imports no other folder. `learner`, `simulation`, `commands` and `backend` import it.
"""
