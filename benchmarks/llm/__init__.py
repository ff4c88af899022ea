"""What an LLM's choice of texts is worth, by the records of a study."""
