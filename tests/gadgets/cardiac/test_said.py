"""What is said of slices is said once."""

from gadgets.cardiac.perfusion.said import gathered


def test_what_holds_of_several_slices_is_said_once_and_names_them():
    said = [(0, "no muscle"), (1, "doubtful"), (2, "no muscle"), (2, "no muscle")]
    assert gathered(said) == ("slices 1, 3: no muscle", "slice 2: doubtful")


def test_where_nothing_is_said_nothing_is_gathered():
    assert gathered([]) == ()
