"""Work in worker processes: RQ's queue, turns, the worker process, parts of a pool, and shares of the cores.

This folder may import `studio` and `store`. It does not import `rounds`: RQ calls a round's function by name.
"""
