"""What leaves for the hospital's archive: datasets, the outbox, C-STORE, storage commitment."""
