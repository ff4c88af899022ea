"""What a project's page shows: figures from the project's folder, charts as geometry. Nothing is computed for seconds.

`backend/web/pages` imports this folder; it imports `backend/store`, `backend/rounds` and the status.
"""
