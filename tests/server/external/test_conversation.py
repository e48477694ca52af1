"""What is heard of a node whose connection is reset: whoever of our two threads hears of it."""

import socket
import threading

import pytest

from server.errors import ExternalError
from server.external.conversation import EARLY, Conversation
from server.wire import encode


@pytest.mark.parametrize("last", [encode.close(), b""], ids=["after its CLOSE", "without CLOSE"])
def test_a_reset_that_only_the_speaker_hears_of_is_an_early_end(last):
    """The system tells of a reset once: here our last words take it, and the listener reads an end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    gone = threading.Event()

    def words():
        yield encode.text("read by nobody")
        gone.wait(10)

    theirs.sendall(encode.text("so far") + last)
    with ours:
        conversation = Conversation(ours, "fake", 5.0, None)
        answers = conversation.hold(words())
        assert next(answers).text == "so far"
        speaker = next(each for each in threading.enumerate() if each.name == "fake")
        theirs.close()  # with a message unread
        gone.set()
        speaker.join(10)
        assert not speaker.is_alive()
        with pytest.raises(ExternalError, match=EARLY):
            list(answers)


def test_an_end_without_close_before_we_have_said_all_is_an_early_end():
    """A listener may see the end before the speaker has learned anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    over = threading.Event()

    def words():
        yield encode.text("one of two")
        over.wait(10)

    with ours:
        answers = Conversation(ours, "fake", 5.0, None).hold(words())
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ExternalError, match=EARLY):
            list(answers)
        over.set()
    theirs.close()


def test_an_end_without_close_after_all_was_said_is_told_as_such():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    word = encode.text("all")

    def hear():
        with theirs, theirs.makefile("rb") as heard:
            heard.read(len(word + encode.close()))

    threading.Thread(target=hear).start()
    with ours, pytest.raises(ExternalError, match="ended its connection without CLOSE"):
        list(Conversation(ours, "fake", 5.0, None).hold([word]))
