"""trainers.train with the plain forms of benchmarks/plain.py in place of all rewrites, but for the optimiser.

    python -m benchmarks.train_plain --flagfile=lfw.flags --data_dir=DATA --width=0.25 --epochs=3 --run=runs/plain
    python -m trainers.train         --flagfile=lfw.flags --data_dir=DATA --width=0.25 --epochs=3 --run=runs/rewritten

The validation bounds of the two, in log.csv, differ by less than those of two seeds: rewrites change the order of
additions alone, and training carries that on.
"""

from absl import app

from attr2image_tf import models
from benchmarks import plain
from trainers import train

_create = models.create


def create(config):
    """A model with all of its rewrites undone; the optimiser is not a part of it."""
    model = _create(config)
    plain.undo(model, *plain.ALL)
    return model


if __name__ == "__main__":
    models.create = create
    app.run(train.main)
