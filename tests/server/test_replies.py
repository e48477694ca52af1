import socket
import threading
from pathlib import Path

import pytest

from server.backlog import Backlog, BacklogError
from server.replies import Replies


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    with ours, theirs:
        yield ours, theirs


def files(folder):
    """Files of this process that lie in ``folder``, with or without a name."""
    held = [each for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return [each for each in held if str(each.readlink()).startswith(str(folder))]


def read(theirs):
    return b"".join(iter(lambda: theirs.recv(1 << 20), b""))


def test_messages_come_out_in_order_from_memory_and_from_the_disk(tmp_path):
    messages = [bytes([number]) * (number % 7 + 1) for number in range(200)]
    backlog, taken = Backlog(tmp_path, memory=40), []
    for number, message in enumerate(messages):
        backlog.add(message)
        if number % 3 == 0:
            taken.append(backlog.take())
    assert files(tmp_path)
    assert not list(tmp_path.iterdir())
    while len(backlog):
        taken.append(backlog.take())
    assert taken == messages
    assert backlog.size == 0
    assert not files(tmp_path)


def test_more_than_may_wait_is_an_error_but_one_message_always_may(tmp_path):
    backlog = Backlog(tmp_path, limit=10, memory=5)
    backlog.add(bytes(20))
    with pytest.raises(BacklogError, match="20 bytes of replies wait"):
        backlog.add(b"x")
    backlog.clear()
    assert not files(tmp_path)


def test_a_folder_that_takes_nothing_is_an_error(tmp_path):
    backlog = Backlog(tmp_path / "absent", memory=0)
    with pytest.raises(BacklogError, match="the disk takes no more"):
        backlog.add(b"x")


def test_whoever_says_something_never_waits_and_the_peer_gets_all(pair, tmp_path):
    ours, theirs = pair
    messages = [bytes([number]) * (1 << 20) for number in range(32)]
    replies = Replies(ours, Backlog(tmp_path, memory=4 << 20), pytest.fail)
    for message in messages:
        replies.send(message)
    replies.conclude(b"the end")
    replies.conclude(b"not heard")
    replies.send(b"nor this")
    assert not replies.join(0.1)
    found = []
    reader = threading.Thread(target=lambda: found.append(read(theirs)))
    reader.start()
    assert replies.join(10)
    reader.join()
    assert found == [b"".join(messages) + b"the end"]
    assert replies.fault == ""


def test_beyond_the_limit_the_reason_is_told_once_and_nothing_more_is_written(pair, tmp_path):
    ours, _ = pair
    told = []
    replies = Replies(ours, Backlog(tmp_path, limit=4 << 20, memory=1 << 20), told.append)
    for _ in range(8):
        replies.send(bytes(1 << 20))
    replies.conclude(b"the end")
    assert len(told) == 1
    assert "wait for the peer, which does not read" in told[0]
    assert replies.fault == told[0]
    assert not replies.join(5)
    assert not files(tmp_path)


def test_a_peer_that_leaves_swallows_what_is_said(pair, tmp_path):
    ours, theirs = pair
    replies = Replies(ours, Backlog(tmp_path), pytest.fail)
    theirs.close()
    for _ in range(3):
        replies.send(b"x")
    replies.conclude(b"the end")
    assert not replies.join(5)
    replies.abandon("took nothing")
    assert replies.fault == ""


def test_a_peer_that_reads_slowly_is_not_given_up_while_it_reads(pair, tmp_path):
    ours, theirs = pair
    replies = Replies(ours, Backlog(tmp_path), pytest.fail)
    replies.conclude(bytes(3 << 20))
    reader = threading.Thread(target=slowly, args=(theirs,))
    reader.start()
    assert replies.join(0.3)
    reader.join()


def slowly(theirs):
    pause = threading.Event()
    while theirs.recv(1 << 18, socket.MSG_WAITALL):
        pause.wait(0.05)
