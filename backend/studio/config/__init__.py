"""The labeling config of a project: the questions that it asks about a text, each read by its kind."""
