"""What a project asks about its texts: what labels mean, and targets from what annotators said.

It imports the records alone. `backend`, `simulation` and `commands` import it.
"""
