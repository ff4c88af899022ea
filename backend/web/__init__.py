"""The web server: endpoints, pages, status and metrics. It asks the queue for rounds and answers from their results.

It may import `rounds`, `work`, `studio` and `store`. Only `commands` and `plugin` import it.
"""
