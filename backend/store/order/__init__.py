"""The order in use on disk: a head with a summary, and a table with one row for each place.

This folder may import what `backend.store` may. All folders of `backend` may import it.
"""
