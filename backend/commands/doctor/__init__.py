"""`doctor`: the command, and the parts that it examines."""
