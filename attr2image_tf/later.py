"""TensorFlow and Keras, imported when something of them is first used, which takes seconds.

For modules that are also imported where there is nothing to compute: to read flags, and files that say what is wrong.
"""

import importlib
import typing


class _Later:
    """A module that is imported when an attribute of it is asked for."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str):
        return getattr(importlib.import_module(self._name), attribute)


if typing.TYPE_CHECKING:
    import keras
    import tensorflow as tf
else:
    keras, tf = _Later("keras"), _Later("tensorflow")

__all__ = ["keras", "tf"]
