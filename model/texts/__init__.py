"""Texts beside each other: which are the same, and which are nearest to what somebody looks for.

It knows arrays and texts alone. Nothing in `model` imports it.
"""
