"""What tests of look-ups that hang count: the threads that are left to them."""

import threading


def asides() -> int:
    """Return how many calls are under way in a thread of their own."""
    return [thread.name for thread in threading.enumerate()].count("aside")
