"""Exports of a model version: a folder that needs no Shortlist, and answers in plain JSON.

It may import `encoder`, `learner` and `tasks`. `backend` imports it.
"""
