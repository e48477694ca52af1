import time


def until(found, seconds=10.0):
    """The first true answer of ``found``, asked again and again."""
    end = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return answer
