"""A project's labels: their meaning in words, and training targets from annotations.

This folder imports no other folder. `backend`, `simulation` and `commands` import it.
"""
