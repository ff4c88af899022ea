"""Accuracy of query strategies against random labels, and time and memory of a query by pool size."""
