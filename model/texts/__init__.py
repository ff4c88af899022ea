"""Comparisons of texts: which are copies of each other, and which are nearest to the examples of a search.

The folder knows arrays and texts alone. In `model` the learner imports it: folds keep copies together.
"""
