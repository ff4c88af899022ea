"""Backups: a snapshot of MODEL_DIR in one archive, and MODEL_DIR as an archive holds it.

This folder may import what `backend.store` may. `backend.commands` imports it.
"""
