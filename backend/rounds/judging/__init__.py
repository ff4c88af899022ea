"""Judges a newly trained model version: records how it differs from the version before, and decides if it is used.

`backend/rounds/fit.py` imports this folder.
"""
