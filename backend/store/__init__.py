"""Everything that is on disk for a project: documents, tasks, publications and embeddings.

It imports `model` and nothing else of `backend` but settings and errors. Every folder above imports it.
"""
