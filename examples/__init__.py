"""What a newcomer tries first: the demo, the servers that it starts, a small data set and labeling configs.

It may import every folder of `backend` and `model`. Nothing imports it but tests and benchmarks, which start the same
servers.
"""
