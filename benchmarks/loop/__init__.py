"""Time of rounds, orders and webhooks on a real Label Studio, of a pool shared by two workers, and people at once."""
