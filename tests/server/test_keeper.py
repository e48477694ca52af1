"""A keeper bears a peer that has gone."""

import socket

from server.secure import peer_of


def test_a_peer_that_reset_the_connection_is_no_fault_of_the_keeper():
    """Found by the soak: the keeper died, and an empty entry of the spool stayed without an outcome."""
    with socket.socket() as unconnected:
        assert peer_of(unconnected) == "gone:0"
