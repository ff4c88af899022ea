"""LLMs: what they are asked, how their answers are read, and what is made of them."""
