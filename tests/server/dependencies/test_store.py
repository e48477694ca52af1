import logging
import threading
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from server.dependencies import store as module
from server.dependencies.store import NOBODY, Owner, Store
from server.errors import ScansideError

IDENTIFIERS = ("45387_JANEDOE_77_343", "JANEDOE", "SN-45387")
DOE, ROE = Owner("JANEDOE", "SN-45387"), Owner("RICHARDROE", "SN-45387")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "state" / "dependencies", b"k" * 32, clock=lambda: 1_000_000.0)


def value(number):
    return {"a": np.full((2, 3), number, np.complex128), "b": np.array(["x", "yy"]), "c": np.array(7)}


def files(store):
    return sorted(store.folder.iterdir())


def found(store, owner=DOE, name=IDENTIFIERS[0], kind="noise"):
    arrays = store.latest(kind, owner, name)
    return None if arrays is None else arrays["a"][0, 0].real


def put(store, number=1, owner=DOE, name=IDENTIFIERS[0], kind="noise"):
    return store.put(kind, owner, name, value(number))


def test_what_was_put_is_found_as_it_was(store):
    name = put(store)
    arrays = store.latest("noise", DOE, IDENTIFIERS[0])
    assert set(arrays) == {"a", "b", "c"}
    for key, array in value(1).items():
        assert array.dtype == arrays[key].dtype
        assert np.array_equal(array, arrays[key])
    assert name == store.name(IDENTIFIERS[0])


def test_measurements_of_other_ids_and_kinds_are_not_found(store):
    put(store)
    assert found(store, name="45387_JANEDOE_77_344") is None
    assert found(store, kind="coil") is None
    assert found(store, name="") is None
    put(store, 2, kind="coil")
    assert (found(store), found(store, kind="coil")) == (1, 2)


def test_the_newest_of_an_id_is_found(store):
    for number in range(3):
        put(replace(store, clock=lambda number=number: 1_000_000.0 + number), number)
    assert found(store) == 2


@pytest.mark.parametrize(
    ("kept", "asked"),
    [(DOE, NOBODY), (NOBODY, DOE), (NOBODY, NOBODY), (Owner("JANEDOE"), Owner(device="SN-45387"))],
)
def test_a_patient_or_device_that_one_scan_does_not_state_is_no_hindrance(store, kept, asked):
    put(store, owner=kept)
    assert found(store, asked) == 1


def test_another_patients_or_devices_measurement_is_not_given(store, caplog):
    put(store)
    assert found(store, ROE) is None
    assert found(store, Owner("JANEDOE", "SN-1")) is None
    assert "of another patient or device" in caplog.text
    assert not any(each in caplog.text for each in IDENTIFIERS)


def test_names_of_files_and_of_the_store_hold_no_identifier_and_no_key(store, caplog):
    caplog.set_level(logging.DEBUG)
    put(store)
    found(store)
    text = " ".join((repr(store), repr(DOE), caplog.text, *map(str, files(store))))
    assert not any(each in text for each in (*IDENTIFIERS, "DOE", "45387", "kkkk"))
    other = replace(store, key=b"j" * 32)
    assert other.name("x") != store.name("x")
    assert found(other) is None


def test_folder_and_files_are_for_their_owner_alone(store):
    store.folder.mkdir(parents=True)
    store.folder.chmod(0o755)
    put(store)
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert [file.stat().st_mode & 0o777 for file in files(store)] == [0o600]


def test_a_measurement_is_gone_when_it_has_expired(store):
    put(store)
    for age, there in ((0, True), (47.9, True), (48.1, False), (-1, True), (-1000, False)):
        assert (found(replace(store, clock=lambda age=age: 1e6 + 3600 * age)) is not None) == there


def test_expired_surplus_and_abandoned_files_are_removed_and_no_others(store, monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    put(store, name="old")
    store.folder.joinpath("notes.txt").write_text("of somebody else")
    store.folder.joinpath(".draft-0").touch()
    monkeypatch.setattr(module.time, "time", lambda: 4e9)
    later = [replace(store, clock=lambda each=each: 2_000_000.0 + each) for each in range(4)]
    for index, each in enumerate(later):
        put(each, index, name=f"new{index}")
    assert [found(later[-1], name=name) for name in ("old", "new0", "new1", "new2", "new3")] == [
        None,
        None,
        1,
        2,
        3,
    ]
    assert len(files(store)) == 4


def test_a_measurement_without_an_id_or_too_great_is_refused(store, monkeypatch):
    with pytest.raises(ScansideError, match="no measurement id"):
        put(store, name="")
    monkeypatch.setattr(module, "LARGEST", 100)
    with pytest.raises(ScansideError, match="at most 100"):
        put(store)
    with pytest.raises(ValueError, match=r"[Oo]bject arrays"):
        store.put("noise", DOE, "x", {"a": np.array([{}], object)})
    assert not store.folder.exists()


def test_a_disk_that_takes_nothing_is_named_and_leaves_no_file(store, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(ScansideError, match="could not be kept: No space left"):
        put(store)
    assert files(store) == []


def pickled(path):
    with zipfile.ZipFile(path, "w") as archive, archive.open("a.npy", "w") as member:
        np.lib.format.write_array(member, np.array([{}], object), allow_pickle=True)


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(module.LARGEST + 1))


def boundless(path):
    header = str({"descr": "<c16", "fortran_order": False, "shape": (1 << 40,)}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header)


def linked(path):
    path.unlink()
    path.symlink_to("/etc/passwd")


def folded(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "spoil",
    [
        pickled,
        bomb,
        boundless,
        linked,
        folded,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x80\x04N."),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
    ],
)
def test_a_hostile_or_damaged_file_is_passed_over_for_an_older_one(store, spoil):
    put(store)
    before = set(files(store))
    put(replace(store, clock=lambda: 1_000_001.0), 2)
    (newest,) = set(files(store)) - before
    assert found(store) == 2
    spoil(newest)
    assert found(store) == 1


def test_no_flipped_byte_makes_reading_fail(store):
    put(store)
    (file,) = files(store)
    raw, random = file.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        spoiled = bytearray(raw)
        spoiled[random.integers(len(raw))] ^= int(random.integers(1, 256))
        file.write_bytes(spoiled)
        store.latest("noise", DOE, IDENTIFIERS[0])


def test_readers_beside_writers_and_sweepers_always_find_a_whole_measurement(store, monkeypatch):
    monkeypatch.setattr(module.os, "fsync", lambda _: None)
    store = replace(store, clock=module.time.time)
    put(store, 0)
    writers = [threading.Thread(target=lambda: [put(store, 1) for _ in range(40)]) for _ in range(3)]
    for each in writers:
        each.start()
    seen = [store.latest("noise", DOE, IDENTIFIERS[0])["a"] for _ in range(60)]
    for each in writers:
        each.join()
    assert all(np.unique(each).size == 1 for each in seen)
    assert found(store) == 1
