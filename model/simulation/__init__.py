"""Query strategies against gold labels: experiments, learning curves, and their report.

It may import every folder of `model` but `commands`. Only `commands` imports it.
"""
