"""The signatures are those that clients were written for."""

import pytest

from tests.export import signature_table

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("model", signature_table.MODELS)
def test_signatures_are_as_announced(model):
    golden = signature_table.FILE.read_text().split("\n\n")[signature_table.MODELS.index(model)]
    assert signature_table.table(model).strip() == golden.strip(), (
        "signatures have changed; if that is meant, python -m tests.export.signature_table writes the file anew")
