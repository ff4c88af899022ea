"""How many stars does a text get: ordered classes from 1 to the most.

Its control is Label Studio's `Rating`. This folder may import the task, shares and label names of `model/tasks`, and
`model/learner/evaluation`.
"""
