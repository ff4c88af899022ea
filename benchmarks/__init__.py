"""What `make bench` measures: ratios and paired differences inside one run, never single times."""

from model.encoder.idle_threads import let_idle_threads_sleep

# As in every program that ships.
let_idle_threads_sleep()
