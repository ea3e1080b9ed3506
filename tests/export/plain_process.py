"""A process that knows TensorFlow and nothing of this package; serving_test.py has one with TF Serving's loader."""

import pathlib
import subprocess
import sys

import numpy as np

_LOADER = """
import sys
import numpy as np
import tensorflow as tf
path, inputs, outputs = sys.argv[1:]
requests = {}
for key, value in np.load(inputs).items():
    signature, name = key.split("/")
    requests.setdefault(signature, {})[name] = tf.constant(value)
loaded = tf.saved_model.load(path)
results = {f"{signature}/{name}": value.numpy() for signature, request in requests.items()
           for name, value in loaded.signatures[signature](**request).items()}
unwelcome = [name for name in ("attr2image_tf", "export", "tensorflow_probability", "tf_keras") if name in sys.modules]
assert not unwelcome, unwelcome
# Texts as fixed-length bytes, which need no pickle.
np.savez(outputs, **{key: value.astype("S") if value.dtype == object else value for key, value in results.items()})
"""


def answers(model: pathlib.Path, requests: dict[str, np.ndarray], folder: pathlib.Path) -> dict[str, np.ndarray]:
    """What a SavedModel gives, by "signature/output".

    Args:
        model: the SavedModel.
        requests: inputs by "signature/input".
        folder: for the files of the process.
    """
    np.savez(folder / "inputs.npz", **requests)
    done = subprocess.run([sys.executable, "-c", _LOADER, str(model), "inputs.npz", "outputs.npz"], cwd=folder,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(folder / "outputs.npz") as file:
        return dict(file)
