"""Speed of requests, of scoring against the machine's matmul peak, and of lower precision."""
