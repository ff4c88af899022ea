"""Encoders, and classifiers on top of them: load, embed and score texts, fine-tune. `encoder.py` is the protocol.

This folder imports no other folder. `learner`, `tasks`, `simulation`, `commands` and `backend` import it, and none of
them imports a runtime.
"""
