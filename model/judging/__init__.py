"""Measures of model versions: their agreement, paired comparisons, the gain of more labels, and the pace of people.

Arrays and records in, records out; nothing is read or trained here. `model/stopping.py` and rounds import this folder.
"""
