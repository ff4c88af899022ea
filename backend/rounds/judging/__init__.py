"""Judges a newly trained model version: remembers how it differs from the one before, and decides if it is used.

`backend/rounds/fit.py` imports this folder.
"""
