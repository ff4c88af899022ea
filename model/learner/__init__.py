"""Learning from few labels: recipes, trainings, heads, names and pool, calibration, evaluation, model versions.

It may import `encoder` and `query`. `simulation`, `commands` and `backend` import it.
"""
