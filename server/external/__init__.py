"""Other programs as steps of a chain, over the protocol of a Gadgetron's nodes; and the reverse."""
