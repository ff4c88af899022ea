"""Figures about a question's answers, on arrays: classes, confusion, calibration, suspects, annotators, random labels.

This folder may import `model.learner` and `model.encoder`. `backend` imports it.
"""
