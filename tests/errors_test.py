"""Laws of errors at the command line: a sentence for what a user can mend, a trace for what nobody can."""

import errno

import pytest
import tensorflow as tf
from google.protobuf import json_format, text_format
from google.protobuf.message import DecodeError

from attr2image_tf.errors import clear_errors


def said(error, capsys):
    with pytest.raises(SystemExit) as caught, clear_errors():
        raise error
    assert caught.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith("error: ") and text.count("\n") == 1
    return text


@pytest.mark.parametrize(("kind", "words"), [
    (tf.errors.ResourceExhaustedError, "No space left on the disk; free some"), (tf.errors.DataLossError, "damaged"),
    (tf.errors.OutOfRangeError, "damaged or cut"), (tf.errors.NotFoundError, "missing"),
    (tf.errors.PermissionDeniedError, "cannot be read or written")])
def test_what_tensorflow_says_of_files_is_one_sentence(kind, words, capsys):
    message = ("Graph execution error:\n\nDetected at node x defined at (most recent call last):\n"
               "<stack traces unavailable>\n{{function_node y}} run/ckpt-1; what\n\t [[{{node z}}]] [Op:w]\n")
    text = said(kind(None, None, message), capsys)
    assert words in text and "(run/ckpt-1; what)" in text


def test_too_little_memory_is_not_a_full_disk(capsys):
    error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[1,2]")
    assert "not enough memory; use a smaller batch" in said(error, capsys)


def test_files_that_tensorflow_has_counted_or_not_named_are_damaged(capsys):
    few = "Input dataset was expected to contain 4 elements but contained only 0 elements. [Op:IteratorGetNext] name: "
    assert "damaged" in said(tf.errors.FailedPreconditionError(None, None, few), capsys)
    assert "is cut" in said(IndexError("Read less bytes than requested"), capsys)
    # As the reader of checkpoints raises it.
    assert "damaged" in said(tf.errors.OpError(None, None, "not an sstable (bad magic number)", 15), capsys)
    with pytest.raises(tf.errors.FailedPreconditionError), clear_errors():
        raise tf.errors.FailedPreconditionError(None, None, "Could not find variable x")


@pytest.mark.parametrize("kind", [json_format.ParseError, text_format.ParseError, DecodeError])
def test_what_protobuf_cannot_read_is_one_sentence(kind, capsys):
    assert "a file is damaged: line 1" in said(kind("line 1"), capsys)


def test_a_full_disk_is_said_and_which(capsys):
    text = said(OSError(errno.ENOSPC, "No space left on device", "run/log.csv"), capsys)
    assert "No space left on the disk of run/log.csv; free some" in text
    assert said(ValueError("mine"), capsys) == "error: mine\n"


@pytest.mark.parametrize("error", [KeyError("x"), IndexError("x"), TypeError("x"), RuntimeError("x"),
                                   tf.errors.InvalidArgumentError(None, None, "x"),
                                   tf.errors.InternalError(None, None, "x")])
def test_a_mistake_of_the_program_keeps_its_trace(error):
    with pytest.raises(type(error)), clear_errors():
        raise error
