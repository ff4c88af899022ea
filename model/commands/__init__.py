"""The command line of the learning: one file a subject.

This folder may import every folder of `model`. Only `python -m model` imports it.
"""
