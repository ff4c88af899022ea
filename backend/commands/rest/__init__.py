"""`apply` and `find`: the commands for unlabelled texts."""
