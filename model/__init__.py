"""The learning: classifiers, query strategies, LLMs and simulations, without Redis or Label Studio."""
