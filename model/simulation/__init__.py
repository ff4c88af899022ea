"""Try query strategies on gold labels: simulations, learning curves, and their report.

This folder may import every folder of `model` but `commands`. Only `commands` and benchmarks import it.
"""
