"""Folding: turns a trained model into one for inference only, which computes the same with fewer operations.

Batch normalisation is multiplied into the convolution before it, the prior's permutations are put into the kernels
around them, kernels are put once into the form that is computed with, and can be stored in 16 bits. Networks keep
their structure; blocks of theirs are replaced.
"""

import tensorflow as tf

from attr2image_tf.models.narrow import NarrowConv2D, convolve_narrow, rotated_kernel
from attr2image_tf.models.networks import ConvBlock
from attr2image_tf.models.stored import StoredKernel
from attr2image_tf.models.upsampling import (
    convolve_polyphase,
    convolve_upsampled,
    polyphase_kernels,
    transposed_kernel,
)


def fold(model, storage: tf.DType | None = None, gradients: bool = True):
    """Makes a model one for inference only, and returns it. Folded in the same way again, it stays as it is.

    Args:
        model: AttributeModel, its weights final.
        storage: tf.float16 or tf.bfloat16 to keep the kernels of convolution blocks, dense layers and the prior's flow,
            nearly all of the model, in half the space on disk (`StoredKernel`). By default they stay as they are.
        gradients: whether gradients for the latents are wanted; False keeps less where pictures are drawn and nothing
            else.

    Raises:
        ValueError: the model is folded otherwise already.
    """
    folding = {"storage": storage, "gradients": gradients}
    before = getattr(model, "folding", None)
    if before == folding:
        return model
    if before is not None:
        raise ValueError(f"fold: the model is already folded with {dict(before)}, so it cannot be with {folding}; load "
                         "it again.")
    stored = []
    for network in model.layers:
        blocks = conv_blocks(network)
        blocks[:] = [FoldedConvBlock(block, storage, gradients) for block in blocks]
        stored += [kernel for block in blocks for kernel in block.stored]
        for name in ("head", "heads"):
            if isinstance(getattr(network, name, None), NarrowConv2D):
                setattr(network, name, FoldedNarrowConv2D(getattr(network, name)))
        for weight in network.weights if storage else ():
            if len(weight.shape) == 2:
                # There is no public way to put something else into the place of a variable.
                weight._value = StoredKernel(weight.value, storage, weight.value.dtype)
                stored.append(weight._value)
    stored += model.prior.fold(storage)
    model.folding, model.stored_kernels = folding, tuple(stored)
    return model


def conv_blocks(network) -> list[ConvBlock]:
    """The convolution blocks of an encoder or decoder; none of a network without."""
    return getattr(getattr(network, "stream", network), "blocks", [])


class FoldedConvBlock:
    """A ConvBlock of inference, with batch normalisation inside of its kernel and bias.

    Args:
        block: ConvBlock, trained.
        storage: dtype of kernels on disk, the compute dtype by default.
        gradients: bool. Whether upsampled convolutions keep what their gradients need.
    """

    def __init__(self, block: ConvBlock, storage, gradients):
        kernel, bias = block.convolution.kernel.value, block.convolution.bias.value
        if block.normalization is not None:
            scale, offset = block.normalization.inference_scale_and_offset()
            kernel, bias = kernel * scale, bias * scale + offset
        self._pool, self._strides, self._dtype = block.pool, block.strides, block.compute_dtype
        kernels, self._convolve = [kernel], self._plain
        if block.upsample:
            kernels = [*polyphase_kernels(kernel), *([transposed_kernel(kernel)] if gradients else [])]
            self._convolve = convolve_upsampled if gradients else convolve_polyphase
        # Not constants, so that a SavedModel keeps them once for all signatures.
        self.stored = [StoredKernel(kernel, storage, self._dtype) for kernel in kernels] if storage else []
        others = [bias] if storage else [*kernels, bias]
        self._weights = self.stored + [tf.Variable(tf.cast(part, self._dtype), trainable=False) for part in others]

    def __call__(self, inputs, training=False):
        if training:
            raise ValueError("FoldedConvBlock: a folded model cannot be trained; train first, then fold it.")
        x = self._convolve(*(tf.cast(part, self._dtype) for part in (inputs, *self._weights)))
        if self._pool:
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        return tf.nn.relu(x)

    def _plain(self, inputs, kernel, bias):
        return tf.nn.bias_add(tf.nn.conv2d(inputs, kernel, self._strides, "SAME"), bias)


class FoldedNarrowConv2D:
    """A NarrowConv2D of inference, its kernel rotated beforehand.

    Args:
        layer: NarrowConv2D, trained.
    """

    def __init__(self, layer: NarrowConv2D):
        self._dtype = layer.compute_dtype
        self._kernel, self._bias = (tf.Variable(tf.cast(part, self._dtype), trainable=False)
                                    for part in (rotated_kernel(layer.kernel), layer.bias))

    def __call__(self, inputs):
        inputs, kernel, bias = (tf.cast(part, self._dtype) for part in (inputs, self._kernel, self._bias))
        return tf.nn.bias_add(convolve_narrow(inputs, kernel), bias)
