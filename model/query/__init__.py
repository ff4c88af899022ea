"""Query strategies: which texts to label next, from arrays alone."""
