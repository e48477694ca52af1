"""What is heard of a node whose connection ends: whoever of our two threads hears of it."""

import socket
import threading

import pytest

from server.errors import ExternalError
from server.external.conversation import EARLY, Conversation
from server.wire import encode


@pytest.fixture
def ends():
    """Two ends of a connection over TCP: ours and the node's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with ours, theirs:
        yield ours, theirs


def waiting(first, event):
    """One word, and then nothing until an event."""
    yield first
    event.wait(10)


@pytest.mark.parametrize("last", [encode.close(), b""], ids=["after its CLOSE", "without CLOSE"])
def test_a_reset_that_only_the_speaker_hears_of_is_an_early_end(ends, last):
    """The system tells of a reset once: here our last words take it, and the listener reads an end."""
    ours, theirs = ends
    gone = threading.Event()
    theirs.sendall(encode.text("so far") + last)
    answers = Conversation(ours, "fake", 5.0, None).hold(waiting(encode.text("read by nobody"), gone))
    assert next(answers).text == "so far"
    speaker = next(each for each in threading.enumerate() if each.name == "fake")
    theirs.close()  # with a message unread
    gone.set()
    speaker.join(10)
    assert not speaker.is_alive()
    with pytest.raises(ExternalError, match=EARLY):
        list(answers)


def test_an_end_without_close_before_we_have_said_all_is_an_early_end(ends):
    """A listener may see the end before the speaker has learned anything."""
    ours, theirs = ends
    over = threading.Event()
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(ExternalError, match=EARLY):
        list(Conversation(ours, "fake", 5.0, None).hold(waiting(encode.text("one of two"), over)))
    over.set()


def test_an_end_without_close_after_all_was_said_is_told_as_such(ends):
    ours, theirs = ends
    word = encode.text("all")

    def hear():
        with theirs, theirs.makefile("rb") as heard:
            heard.read(len(word + encode.close()))

    listening = threading.Thread(target=hear)
    listening.start()
    with pytest.raises(ExternalError, match="ended its connection without CLOSE"):
        list(Conversation(ours, "fake", 5.0, None).hold([word]))
    listening.join(10)
