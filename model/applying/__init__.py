"""Label the rest: which texts a classifier may label by itself, and how precise its labels are.

This folder may import `learner`, `encoder` and `query`; `promise.py` knows arrays alone. Nothing in `model` imports it.
"""
