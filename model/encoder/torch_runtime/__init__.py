"""Encoders in PyTorch: load a pretrained one, read texts with it in batches, and fine-tune it."""
