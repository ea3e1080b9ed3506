"""Asks mains for their help, one after the other in one process, and stops at the first that imports what takes long.

    python help_only.py MODULE...

The last line of the output is JSON: by module what of TensorFlow, Keras and the like it had imported.
"""

import contextlib
import io
import json
import runpy
import sys

from absl import app, flags

HEAVY = ("tensorflow", "keras", "tf_keras", "tensorflow_datasets", "tensorflow_probability", "apache_beam", "gradio",
         "matplotlib")
app.define_help_flags()
known, imported = set(flags.FLAGS), {}
for module in sys.argv[1:]:
    sys.argv = [module, "--help"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    imported[module] = [name for name in HEAVY if name in sys.modules] or (
        [] if "flags:" in said.getvalue() else ["no help"])
    for name in set(flags.FLAGS) - known:
        delattr(flags.FLAGS, name)
    if imported[module]:
        break
print(json.dumps(imported))
