"""What the learner is worth on random labels: by recipe, with label names, and beside the setfit package."""
