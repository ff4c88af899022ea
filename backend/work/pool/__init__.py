"""A pool's texts embedded together with other workers: cut into parts, each a job, with the encoder for helpers."""
