"""Which texts come where in an order, beside what a query strategy says: random ones, wished ones, copies.

The steps of a round may import this folder; it may import their records.
"""
