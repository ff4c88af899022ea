"""What a request takes, which share of the machine's matmul speed scoring reaches, and what less precision changes."""
