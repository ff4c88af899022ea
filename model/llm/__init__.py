"""LLMs: prompts for them, connections to them, and the reading and use of their answers."""
