"""`apply` and `find`: the commands about texts that nobody has labelled yet."""
