"""Which labels does a text have? One choice or several: nothing outside needs to know which.

`task` is the question as a `Task`; the other files are its parts.
"""

from model.tasks.classification.task import Classification, Meaning

__all__ = ["Classification", "Meaning"]
