"""What `make bench` measures: ratios and paired differences inside one run, never single times."""
