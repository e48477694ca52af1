"""What turns readouts into images: the gadgets, in the order in which data flows."""
