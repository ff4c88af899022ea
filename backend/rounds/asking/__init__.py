"""Places in an order that no query strategy decides: the fair sample, texts that come first, and copies.

The steps of a round may import this folder; it may import their records.
"""
