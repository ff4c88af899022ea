"""Which paths through a tree of labels does a text have?

Its controls are Label Studio's `Taxonomy`, and `Choices` with choices inside choices. This folder may import the task,
shares and label names of `model/tasks`.
"""
