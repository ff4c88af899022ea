"""`make bench`: run every benchmark and write its table beside it."""

from benchmarks import order

if __name__ == "__main__":
    order.run()
