"""Learning from few labels: train a classifier by a recipe, with names and pool; calibrate, evaluate and store it.

This folder may import `encoder` and `query`. `simulation`, `commands` and `backend` import it.
"""
