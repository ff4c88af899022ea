"""What a real Label Studio and the backend's workers take: rounds, orders after a label, webhooks, shared pools."""
