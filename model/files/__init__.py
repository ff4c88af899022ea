"""The one way to write files and folders, whole or not at all, and to set aside those that are damaged.

This folder imports nothing else of `model`. Every folder may import it.
"""
