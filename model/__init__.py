"""The learning: knows nothing of HTTP, Redis or Label Studio."""
