"""Label the rest: read a project beside its rounds, plan which texts get a label, and write labels to Label Studio.

Commands and web pages may import it; it may import `rounds` and every floor below.
"""
