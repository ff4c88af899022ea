"""The processes that `serve` starts and watches: the web server, a worker, and a Redis of its own."""
