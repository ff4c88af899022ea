"""Label Studio: its API, payloads, labeling configs and webhooks, and how a project connects to this backend.

This folder may import `store`. `work`, `rounds`, `web` and `commands` may import it.
"""
