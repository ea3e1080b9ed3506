"""Laws of what is found out about the machine."""

import pathlib

import pytest
import tensorflow as tf

from attr2image_tf import runtime


@pytest.mark.parametrize("says, expected", [
    ("flags\t\t: fpu sse2 avx2 avx512f avx512_vnni", False), ("flags\t\t: fpu avx512f avx512_bf16 sha_ni", True),
    ("flags\t\t: amx_bf16 avx512f", True), ("Features\t: fp asimd bf16", True), ("", False)])
def test_bfloat16_is_there_where_the_processor_says_so(says, expected, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(pathlib.Path, "read_text", lambda path: says)
    assert runtime.has_bfloat16() is expected


def test_where_nothing_says_what_the_processor_has_nothing_is_claimed(monkeypatch):
    def read(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(pathlib.Path, "read_text", read)
    assert runtime.has_bfloat16() is None
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    assert runtime.has_bfloat16()
