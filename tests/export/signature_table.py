"""Names, types and shapes of all signatures, as text: what clients rely on.

    python -m tests.export.signature_table

writes tests/export/signatures.txt anew, after a change that is meant; whoever reads the change sees what clients will.
"""

import pathlib

import tensorflow as tf

from tests.export import tiny_models

FILE = pathlib.Path(__file__).with_name("signatures.txt")
# Layers are the one thing in which the signatures of models differ.
MODELS = ("discvae", "cvae")


def table(model: str) -> str:
    """The signatures of both exports of a tiny model, 32 x 32 with 3 attributes and 7 or 5 latents.

    Args:
        model: one of MODELS.
    """
    lines = []
    for name, functions in tiny_models.functions(model).items():
        for signature, function in sorted(functions.items()):
            lines.append(f"{model} {name} {signature}")
            inputs = {spec.name: spec for spec in tf.nest.flatten(function.structured_input_signature)}
            for arrow, tensors in (("<-", inputs), ("->", function.structured_outputs)):
                lines += [f"  {arrow} {key} {spec.dtype.name} [{', '.join(map(_size, spec.shape))}]"
                          for key, spec in sorted(tensors.items())]
    return "\n".join(lines) + "\n"


def _size(size):
    return "B" if size is None else str(size)


if __name__ == "__main__":
    FILE.write_text("\n".join(map(table, MODELS)))
