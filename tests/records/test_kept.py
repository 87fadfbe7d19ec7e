"""Kept answers: equal inputs are not computed twice, and no damage of the file changes an answer."""

import pytest

from redoubt.records.kept import Kept


class Sum:
    """Adds, and counts how often."""

    def __init__(self):
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return {"sum": [0.1 + 0.2, None, "é"]}


@pytest.fixture
def file(tmp_path):
    """A file that holds one answer."""
    kept = Kept(tmp_path / "folder" / "kept.json")
    kept.of("a", "inputs", Sum())
    kept.save()
    return kept.file


def test_equal_inputs_are_computed_once(file):
    compute = Sum()
    assert Kept(file).of("a", "inputs", compute) == Sum()()
    assert compute.asked == 0


@pytest.mark.parametrize(("name", "inputs"), [("a", "others"), ("b", "inputs")])
def test_other_inputs_are_computed_and_take_the_place(file, name, inputs):
    compute, kept = Sum(), Kept(file)
    kept.of(name, inputs, compute)
    kept.save()
    assert compute.asked == 1
    assert Kept(file).of(name, inputs, compute) == Sum()()
    assert compute.asked == 1


def test_a_damaged_file_is_computed_anew_and_whole_again(file):
    whole = file.read_bytes()
    damaged = [b"", b"{}", b"[]", b'{"answers": {}}', whole[: len(whole) // 2]]
    damaged += [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))]
    for content in damaged:
        file.write_bytes(content)
        compute, kept = Sum(), Kept(file)
        assert kept.of("a", "inputs", compute) == Sum()()
        assert compute.asked == 1
        kept.save()
        assert file.read_bytes() == whole


def test_where_nothing_can_be_written_answers_are_the_same(tmp_path):
    (tmp_path / "file").write_text("")
    kept = Kept(tmp_path / "file" / "kept.json")
    assert kept.of("a", "inputs", Sum()) == Sum()()
    kept.save()
    assert (tmp_path / "file").read_text() == ""
