"""Measures figures for the project's page, after the order is published: trainings, classes, suspects, annotators.

`round.py` imports this folder; it may import the other files of `backend/rounds`.
"""
