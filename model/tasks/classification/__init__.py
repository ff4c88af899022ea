"""Which labels does a text have? One choice or several: nothing outside needs to know which.

`task` is the question as a `Task`, and the other files are its parts; `llm/` has LLMs answer it.
"""
