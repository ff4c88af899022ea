"""Everything that knows Label Studio: its API, its payloads, its labeling configs, its webhooks, its way to connect.

It may import `store`. Every folder above imports it.
"""
