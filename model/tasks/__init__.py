"""Questions about a text: `task` says what a kind of question is, and each kind has a folder.

Kinds don't know each other. This folder may import `encoder`, `learner`, `query` and `llm`. `backend`, `simulation` and
`commands` import it.
"""
