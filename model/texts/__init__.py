"""Comparisons of texts: which are copies of each other, and which are nearest to the examples of a search.

The folder knows arrays and texts alone. Nothing in `model` imports it.
"""
