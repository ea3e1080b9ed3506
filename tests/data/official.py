"""What tests of data sets with official files share: archives to make, and how a broken file is complained about."""

import contextlib
import io
import tarfile

import pytest

from attr2image_tf.data import preparing
from attr2image_tf.data.errors import DataError


def write_archive(path, members):
    """A .tgz of contents by name."""
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@contextlib.contextmanager
def one_sentence(words):
    """Expects a DataError of one line that has all the words in it."""
    with pytest.raises(DataError) as caught:
        yield
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def prepares_meanwhile(monkeypatch, prepare):
    """Lets another process, which does `prepare()`, be at it when the next one wants to prepare a set."""
    only_one = preparing.only_one

    def wait(builder):
        monkeypatch.setattr(preparing, "only_one", only_one)
        prepare()
        return only_one(builder)

    monkeypatch.setattr(preparing, "only_one", wait)
