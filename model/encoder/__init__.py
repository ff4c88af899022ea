"""The BERT body and its use: loading, embedding, scoring, lanes of batches, and the processor's abilities.

It imports the records alone. Every folder above imports it.
"""
