"""Accuracy of the learner on random labels: by recipe, with label names, and beside the setfit package."""
