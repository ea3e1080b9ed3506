"""Laws of picture files: which are found, and which pictures can be written."""

import os

import pytest
from PIL import Image, features

from attr2image_tf.photos.folders import check_picture_output, endings, find_pictures, is_picture


@pytest.fixture
def folder(tmp_path):
    for name in ("b.JPG", "a.png", "deep/er/c.png", "d.HEIC", "notes.txt", ".hidden.png", ".hidden/e.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


NAMES = ["a.png", "b.JPG", "d.HEIC", "deep/er/c.png"]


def test_pictures_are_found_in_order_and_others_are_named(folder):
    found = find_pictures(folder)
    assert list(found.pictures) == NAMES and all(found.pictures[name] == folder / name for name in NAMES)
    assert found.others == ["notes.txt"]


def test_every_real_folder_is_searched_once(folder):
    (folder / "current").symlink_to(folder, target_is_directory=True)
    (folder / "deep" / "latest").symlink_to(folder, target_is_directory=True)
    # Before the folder by its name, and after it by the law.
    (folder / "a link").symlink_to(folder / "deep", target_is_directory=True)
    assert list(find_pictures(folder).pictures) == NAMES


def test_linked_folders_are_searched(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "f.png").write_bytes(b"")
    (other / "back").symlink_to(folder, target_is_directory=True)
    (folder / "linked").symlink_to(other, target_is_directory=True)
    assert list(find_pictures(folder).pictures) == [*NAMES, "linked/f.png"]


def test_the_folder_of_results_is_left_out(folder):
    out = folder / "deep"
    assert list(find_pictures(folder, [out, folder / "not there"]).pictures) == NAMES[:3]
    (folder / "link").symlink_to(out, target_is_directory=True)
    assert list(find_pictures(folder, [out]).pictures) == NAMES[:3]
    with pytest.raises(ValueError, match="is both the folder of pictures and that of results; name another"):
        find_pictures(folder, [folder / "deep" / ".."])


def test_what_pillow_reads_is_a_picture():
    assert {".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".ppm"} < set(endings())
    assert is_picture("A.AVIF") == features.check("avif")
    for name in ("jpg", "a.txt", "a.csv", "a.json", "a.pdf", "a.h5", "a.eps", "a."):
        assert not is_picture(name), name


def test_pictures_that_cannot_be_written_are_reported(tmp_path):
    check_picture_output(tmp_path / "new" / "sheet.png", "output")
    with pytest.raises(ValueError, match="output='.*' is a folder; name a file, such as '.*sheet.png'"):
        check_picture_output(tmp_path, "output")
    with pytest.raises(ValueError, match="pictures cannot be written with the ending '.json'; use .png"):
        check_picture_output(tmp_path / "config.json", "output")
    Image.new("L", (1, 1)).save(tmp_path / "file.png")
    with pytest.raises(ValueError, match="file.png' is not a folder"):
        check_picture_output(tmp_path / "file.png" / "sheet.png", "output")


def test_names_that_are_not_utf_8_are_left_out_and_named(tmp_path, caplog):
    (tmp_path / "a.png").touch()
    for name in (b"caf\xe9.png", b"n\xe9.txt"):
        with open(os.path.join(os.fsencode(tmp_path), name), "w"):
            pass
    found = find_pictures(tmp_path)
    assert list(found.pictures) == ["a.png"] and found.others == ["caf\\xe9.png", "n\\xe9.txt"]
    assert "caf\\xe9.png: its name is not UTF-8" in caplog.text
