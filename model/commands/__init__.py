"""The command line of the learning: one file a subject.

It may import every folder of `model`. Nothing imports it.
"""
