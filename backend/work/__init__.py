"""Who works on what, and when: RQ's queue, turns, the worker process, parts of a pool, and shares of the cores.

It may import `studio` and `store`. It knows no round: RQ calls rounds by name.
"""
