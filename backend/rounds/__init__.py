"""One round of a project, from Label Studio to a published order, and every decision in it. Read `round.py` first.

It may import `work`, `studio` and `store`. `web` and `commands` import it.
"""
