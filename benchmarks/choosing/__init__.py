"""What choosing texts is worth against random labels, and what a choice takes by pool size."""
