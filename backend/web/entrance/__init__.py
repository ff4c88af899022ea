"""Checks of every request before it is answered: names and origins, passwords, form tokens, limits.

`backend/web` imports this folder; it imports `backend/studio` and `backend/store`.
"""
