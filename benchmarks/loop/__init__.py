"""Time of rounds, orders and webhooks on a real Label Studio, and of a pool shared by two workers."""
