"""An LLM's part in a round: access to it, the texts that it chooses, and the labels that it gives.

The steps of a round may import this folder, and this folder may import theirs.
"""
