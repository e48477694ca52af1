from server.backoff import LONGEST, STEADY, Backoff


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_the_first_start_is_at_once_and_each_later_one_waits_twice_as_long_up_to_a_limit():
    clock = Clock()
    backoff = Backoff(clock=clock)
    backoff.began()
    waits = []
    for _ in range(12):
        waits.append(backoff.ended())
        assert backoff.waits
        clock.now += waits[-1]
        assert backoff.due
        backoff.began()
        assert not backoff.waits
    assert waits == [0, 0.5, 1, 2, 4, 8, 16, 32, LONGEST, LONGEST, LONGEST, LONGEST]


def test_what_lived_long_enough_begins_anew():
    clock = Clock()
    backoff = Backoff(clock=clock)
    backoff.began()
    assert [backoff.ended(), backoff.ended()] == [0, 0.5]
    backoff.began()
    clock.now += STEADY + 1
    assert backoff.ended() == 0


def test_what_is_forgiven_is_due():
    clock = Clock()
    backoff = Backoff(clock=clock)
    backoff.began()
    for _ in range(9):
        backoff.ended()
    assert not backoff.due
    backoff.forgive()
    assert backoff.due
    assert backoff.ended() == 0
