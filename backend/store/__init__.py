"""The files of a project: documents, tasks, publications and embeddings.

This folder may import `model`, `backend.settings` and `backend.errors`. All other folders of `backend` may import it.
"""
