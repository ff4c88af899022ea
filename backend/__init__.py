"""The service: everything that touches the outside (HTTP, Redis, Label Studio, the command line)."""
