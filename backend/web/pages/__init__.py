"""Pages for people: routes, templates, and readers of the pages' forms.

`backend/web` and `backend/commands` import this folder; it imports `backend/web/report` and what `backend/web` may.
"""
