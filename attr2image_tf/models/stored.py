"""StoredKernel: a kernel of 16 bits on disk that is made float32 once, when a SavedModel is loaded."""

import hashlib

import tensorflow as tf


class StoredKernel(tf.saved_model.experimental.TrackableResource):
    """A variable of few bits and, made of it by the initialiser of the SavedModel, one that is computed with.

    Cast at every call, kernels cost as much time as a single picture. Initialisers are run by `tf.saved_model.load`, by
    the loader of sessions and by TF Serving, once each; the few bits alone are on disk. Both are in memory.

    Args:
        kernel: tensor.
        storage: dtype on disk.
        dtype: that is computed with.

    Can be used where a tensor can.
    """

    def __init__(self, kernel, storage: tf.DType, dtype: tf.DType):
        super().__init__()
        self.stored = tf.Variable(tf.cast(kernel, storage), trainable=False)
        self.dtype, self.shape = tf.as_dtype(dtype), self.stored.shape
        # Two models of one process may hold resources of one name. By the content, they may as well share them.
        content = hashlib.sha256(tf.io.serialize_tensor(self.stored).numpy()).hexdigest()
        self._name = f"stored_kernel_{content[:32]}_{self.dtype.name}"
        self._initialize()

    def _create_resource(self):
        return tf.raw_ops.VarHandleOp(dtype=self.dtype, shape=self.shape, shared_name=self._name, container="")

    def _initialize(self):
        tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=tf.cast(self.stored, self.dtype))

    def __tf_tensor__(self, dtype=None, name=None):
        del name
        value = tf.ensure_shape(tf.raw_ops.ReadVariableOp(resource=self.resource_handle, dtype=self.dtype), self.shape)
        return value if dtype is None else tf.cast(value, dtype)
