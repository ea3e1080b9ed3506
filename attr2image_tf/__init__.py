"""Attribute-conditioned image generation: Attribute2Image (Yan et al., ECCV 2016, arXiv 1512.00570) in TensorFlow."""

import os

# TensorFlow reads it once, when it is imported. Where it leaves oneDNN off (x86 processors without VNNI instructions,
# such as AMD's before Zen 4), oneDNN's convolutions train this model 1.2 to 1.3 times as fast.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__version__ = "0.2.0"


def load(folder):
    """The model of a run folder, or one that comes with the package, with the names of its attributes.

    Args:
        folder: a run folder, which gives an `attr2image_tf.trained.TrainedModel`, or "pretrained:NAME" or a folder of
            exports, which give an `attr2image_tf.client.Client`; that draws, infers, edits and completes likewise, but
            cannot be trained.

    Raises:
        ConfigError: the folder has no run, or the run has no checkpoint yet.
        ValueError: no model of that name comes with the package.
    """
    # Imported when they are asked for: TensorFlow and Keras take seconds.
    from attr2image_tf.files import as_path
    if str(folder).startswith("pretrained:") or (as_path(folder) / "generator").is_dir():
        from attr2image_tf.client import connect
        return connect(folder)
    from attr2image_tf.trained import load as load_run
    return load_run(folder)


def create(name, names, attributes, **settings):
    """A new model for your own attributes and pictures; see `attr2image_tf.trained.create`."""
    from attr2image_tf.trained import create as create_model
    return create_model(name, names, attributes, **settings)
