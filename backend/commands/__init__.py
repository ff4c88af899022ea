"""The command line: one file a subject.

It may import every folder of `backend`. Nothing imports it.
"""
