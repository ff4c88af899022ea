"""Accuracy with texts that LLMs chose in a study, against random texts."""
