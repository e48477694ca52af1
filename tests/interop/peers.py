"""How other programs are run, and what is in the files that they wrote."""

import os
import subprocess

import numpy as np

from server.files.images import read_images

RACE = "write: Bad file descriptor"
"""The C++ client lost the wake-up of its own connect, waited -t ms and closed the good socket."""

AGAIN = "Unable to retrieve noise statistics from server\nterminate called without an active exception"
"""The same in the connection of its own that it asks for the noise with."""

TRIES = 25


def own():
    """The environment of a peer: its modules lie beside its scripts, which is no path of ours to shut."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}


def run(command, folder, seconds=60):
    """(exit code, all it printed) of a program."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=folder, env=own(), capture_output=True, text=True, timeout=seconds, check=False
    )
    return done.returncode, done.stdout + done.stderr


def run_gadgetron(client, port, folder, *options):
    """The same of Gadgetron's client, again while it fails in its own connect."""
    command = [client, "-a", "127.0.0.1", "-p", port, "-t", 300, *options]
    for _ in range(TRIES):
        code, said = run(command, folder)
        if RACE not in said and AGAIN not in said:
            return code, said
    raise AssertionError(f"the client did not connect in {TRIES} tries: {said}")


def series(path):
    """Pixels [image, channel, z, y, x] by the series number in the images' headers."""
    return {int(one.head["image_series_index"][0]): one.data for one in read_images(path)}


def assert_same_images(one, other):
    """Same series, same number of images, same type, every pixel equal."""
    first, second = series(one), series(other)
    assert first.keys() == second.keys()
    for number, pixels in first.items():
        assert pixels.dtype == second[number].dtype
        assert np.array_equal(pixels, second[number]), f"series {number}"
