import os
import socket

import pytest

from server.asking import Fate, Queue, tell, told
from server.link import Orders


@pytest.fixture
def link():
    with socket.socket() as made:
        yield made


@pytest.fixture
def queue():
    made = Queue()
    yield made
    for each in made.ends:
        each.close()


def test_requests_that_nobody_serves_are_refused_and_refusing_never_waits(queue, link):
    queue.refuse()
    status = [queue.ask(Orders(name=str(each)), link, link.fileno(), None) for each in range(3)]
    queue.refuse()
    assert [told(each) for each in status] == [(Fate.REFUSED, 0)] * 3
    assert [told(each) for each in status] == [None] * 3


def test_a_worker_that_nobody_can_speak_of_any_more_is_to_be_asked_for_again(queue, link):
    status = queue.ask(Orders(), link, link.fileno(), None)
    _, files, _, _ = socket.recv_fds(queue.answering, 1 << 16, 4)
    for each in files:
        os.close(each)
    assert told(status) is None


def test_what_is_said_of_a_worker_is_heard_in_order():
    reading, writing = os.pipe()
    tell(writing, Fate.BORN, 77)
    tell(writing, Fate.DIED, -1)
    assert (told(reading), told(reading)) == ((Fate.BORN, 77), (Fate.DIED, -1))


def test_asking_fails_when_neither_a_template_nor_the_listener_is_left(queue, link):
    queue.only_ask()
    with pytest.raises(OSError):
        queue.ask(Orders(), link, link.fileno(), None)
