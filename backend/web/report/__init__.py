"""The content of a project's page: figures from the project's folder, charts as geometry. Reading takes milliseconds.

`backend/web/pages` imports this folder; it imports `backend/store`, `backend/rounds` and the status.
"""
