"""Pages for people: their templates, and what the templates are given.

`backend/web` and `backend/commands` import this folder; it imports `backend/web/report` and what `backend/web` may.
"""
