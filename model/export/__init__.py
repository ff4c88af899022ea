"""A model version taken away: a folder that needs no Shortlist, and its answers in plain JSON.

It may import `encoder`, `learner` and `tasks`. `backend` imports it.
"""
