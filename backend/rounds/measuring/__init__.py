"""What a round measures for the project's page, once the order is out: trainings, classes, suspects, annotators.

`round.py` imports this folder; it may import the other files of `backend/rounds`.
"""
