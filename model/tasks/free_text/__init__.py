"""What do people write about a text: a translation, a summary. Nothing is learned; texts are put in order.

Its control is Label Studio's `TextArea`. An LLM may draft answers, in llm/. This folder may import the task, votes and
shares of `model/tasks`.
"""
