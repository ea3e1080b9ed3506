"""LatentPrior: p(z | y), the standard normal or fitted to where the encoder puts real pictures.

Training pulls q(z | x, y) towards N(0, I) and does not get it there: what is left, the KL divergence of the aggregate
posterior, is paid for twice. The bound is lower than it need be, and latents drawn from N(0, I) are of no picture. With
encoder and decoder fixed, only one term of the bound knows the prior, E[log p(z | y)] over data and posterior. Among

    p(z | y) = N(b + W y, L L^T)

the maximum has the regression of z on y as its mean and the covariance of what that leaves as its covariance:

    b, W = argmin E ||z - b - W y||^2,   L L^T = Cov(mu - b - W y) + E[diag(s^2)],   q(z | x, y) = N(mu, diag(s^2))

and the bound rises by exactly what the KL term falls. A flow on the whitened residual L^-1 (z - b - W y) takes what is
not Gaussian. It fits training pictures better than others, whose e spread wider than N(0, I); so its input is
calibrated, f(m + C e), by e of pictures that it was not trained on (`prior_fitting.calibrate`). In all cases z is a
function of y and e ~ N(0, I), invertible in e.

References: Dai and Wipf, ICLR 2019 (two stages); Ghosh et al., ICLR 2020 (fitted afterwards); Tomczak and Welling,
AISTATS 2018 (the aggregate posterior as the best prior).
"""

import dataclasses
import json
import os
import zipfile

import numpy as np
import tensorflow as tf

from attr2image_tf.config import PRIORS, Config, ConfigError
from attr2image_tf.files import replacing
from attr2image_tf.models import lower_bound as bounds
from attr2image_tf.models.coupling_flow import CouplingFlow
from attr2image_tf.models.stored import StoredKernel

STANDARD, GAUSSIAN, FLOW = PRIORS
# Version 1 has no calibration.
_VERSION = 2
_CALIBRATION = "calibration_"


@dataclasses.dataclass(frozen=True)
class LatentBlock(Config):
    """Some of the latents, drawn together.

    Attributes:
        size: number of them.
        attributes: whether their distribution depends on y.
        earlier: whether it depends on the latents of the blocks before.
    """

    size: int
    attributes: bool = True
    earlier: bool = False


class LatentPrior(tf.Module):
    """p(z | y) as an invertible function of noise e ~ N(0, I); N(0, I) itself until something is fitted.

    Attributes y are standardised here, float32 [B, A].

    Args:
        kind: "standard", "gaussian" or "flow".
        blocks: LatentBlock of all latents, in their order.
        attribute_count: int. A.
        couplings: int. Couplings of a flow; see CouplingFlow.
        hidden: int. Units of a flow's hidden layers for each latent of its block.
    """

    def __init__(self, kind: str, blocks, attribute_count: int, *, couplings: int = 8, hidden: int = 2):
        super().__init__()
        self._flow = {"couplings": couplings, "hidden": hidden}
        if kind not in PRIORS:
            raise ConfigError(f"prior={kind!r}: expected one of {', '.join(PRIORS)}.")
        self.kind, self.blocks, self.attribute_count = kind, tuple(blocks), attribute_count
        self.size = sum(block.size for block in self.blocks)
        self.parts, before = [], 0
        for block in self.blocks if kind != STANDARD else ():
            condition_size = (attribute_count if block.attributes else 0) + (before if block.earlier else 0)
            self.parts.append(_Part(block, condition_size, self._flow if kind == FLOW else None, len(self.parts)))
            before += block.size

    def latents(self, noise, attributes):
        """z float32 [B, Z] of e float32 [B, Z] and y."""
        drawn = []
        for part, values in self._split(noise):
            drawn.append(part.forward(values, part.condition(attributes, drawn)))
        return tf.concat(drawn, -1) if drawn else noise

    def noise(self, latents, attributes):
        """e float32 [B, Z] of z float32 [B, Z] and y: what `latents` inverts."""
        return self._inverse(latents, attributes)[0]

    def log_prob(self, latents, attributes, dropout=0.0, seed=None):
        """log p(z | y) in nats, float32 [B]; with dropout by a seed int32 [2] in the training of a flow."""
        noise, log_determinant = self._inverse(latents, attributes, dropout, seed)
        return bounds.standard_normal(self.size).log_prob(noise) + log_determinant

    def assign(self, other: "LatentPrior"):
        """Takes the values of a prior of the same kind and blocks."""
        for variable, value in zip(self.variables, other.variables, strict=True):
            variable.assign(value)

    def fold(self, storage: tf.DType | None = None) -> list[StoredKernel]:
        """Makes the prior one for inference only, with fewer operations, and returns what is kept in fewer bits.

        Args:
            storage: dtype of a flow's kernels on disk; None keeps them as they are.
        """
        self.parts = [_FoldedPart(part, storage) for part in self.parts]
        return [kernel for part in self.parts if part.flow is not None for kernel in part.flow.stored]

    def save(self, path: str | os.PathLike, **about):
        """Writes all of it to a file *.npz, with facts about it that JSON can hold."""
        about = about | {"version": _VERSION, "kind": self.kind, "attribute_count": self.attribute_count,
                         "blocks": [block.to_dict() for block in self.blocks], "flow": dict(self._flow)}
        arrays = {f"variable_{index}": variable.numpy() for index, variable in enumerate(self.variables)}
        with replacing(path) as beside, open(beside, "wb") as file:
            np.savez(file, about=np.array(json.dumps(about)), **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike) -> tuple["LatentPrior", dict]:
        """What `save` wrote: the prior, and the facts.

        Raises:
            ConfigError: the file is damaged or of a newer version.
        """
        try:
            with np.load(path) as file:
                about, arrays = json.loads(str(file["about"])), dict(file)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, json.JSONDecodeError) as error:
            raise ConfigError(f"{os.fspath(path)!r} cannot be read as a prior ({error}); fit it again with "
                              "`python -m trainers.fit_prior --run=...`.") from None
        if about["version"] > _VERSION:
            raise ConfigError(f"{os.fspath(path)!r} is of version {about['version']}; this package reads {_VERSION}.")
        prior = cls(about["kind"], [LatentBlock.from_dict(block) for block in about["blocks"]],
                    about["attribute_count"], **about["flow"])
        variables = [variable for variable in prior.variables
                     if about["version"] > 1 or not variable.name.startswith(_CALIBRATION)]
        values = [arrays.get(f"variable_{index}") for index in range(len(variables))]
        if any(value is None or value.shape != variable.shape
               for value, variable in zip(values, variables, strict=True)):
            raise ConfigError(f"{os.fspath(path)!r} does not hold the prior that it describes; fit it again with "
                              "`python -m trainers.fit_prior --run=...`.")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return prior, about

    def _split(self, values):
        if not self.parts:
            return ()
        return zip(self.parts, tf.split(values, [block.size for block in self.blocks], -1), strict=True)

    def _inverse(self, latents, attributes, dropout=0.0, seed=None):
        noise, log_determinant, earlier = [], tf.zeros(tf.shape(latents)[:1]), []
        for part, values in self._split(latents):
            each, log_part = part.inverse(values, part.condition(attributes, earlier), dropout, seed)
            noise.append(each)
            log_determinant += log_part
            earlier.append(values)
        return (tf.concat(noise, -1) if noise else latents), log_determinant


class _Part(tf.Module):
    """The distribution of one block: z = b + c W + L f(m + C e; c), c its condition; m and C with a flow alone."""

    def __init__(self, block, condition_size, flow, seed):
        super().__init__()
        self.block, self.condition_size = block, condition_size
        self.shift = tf.Variable(tf.zeros([block.size]), trainable=False, name="shift")
        self.weight = tf.Variable(tf.zeros([condition_size, block.size]), trainable=False, name="weight")
        self.factor = tf.Variable(tf.eye(block.size), trainable=False, name="factor")
        self.flow = None
        if flow and block.size > 1:
            self.flow = CouplingFlow(block.size, condition_size, couplings=flow["couplings"],
                                     hidden=flow["hidden"] * block.size, seed=seed)
            self.centre = tf.Variable(tf.zeros([block.size]), trainable=False, name=f"{_CALIBRATION}centre")
            self.spread = tf.Variable(tf.eye(block.size), trainable=False, name=f"{_CALIBRATION}spread")

    def condition(self, attributes, earlier):
        """c, float32 [B, C]."""
        chosen = [attributes] if self.block.attributes else []
        chosen += earlier if self.block.earlier else []
        return tf.concat(chosen, -1) if chosen else tf.zeros([tf.shape(attributes)[0], 0])

    def forward(self, noise, condition):
        if self.flow is not None:
            noise = self.centre + tf.matmul(noise, self.spread, transpose_b=True)
            noise = self.flow.forward(noise, condition)
        return self.shift + self._mean(condition) + tf.matmul(noise, self.factor, transpose_b=True)

    def inverse(self, latents, condition, dropout, seed):
        """e and log |de / dz|."""
        residual = latents - self.shift - self._mean(condition)
        values, log_determinant = _solve(self.factor, residual)
        if self.flow is None:
            return values, log_determinant
        noise, log_flow = self.flow.inverse(values, condition, dropout, seed)
        noise, log_calibration = _solve(self.spread, noise - self.centre)
        return noise, log_determinant + log_flow + log_calibration

    def _mean(self, condition):
        return tf.matmul(condition, self.weight) if self.condition_size else 0.0


def _solve(factor, values):
    """L^-1 v for rows v, and its log-determinant."""
    return (tf.transpose(tf.linalg.triangular_solve(factor, tf.transpose(values))),
            -tf.reduce_sum(tf.math.log(tf.linalg.diag_part(factor))))


class _FoldedPart(tf.Module):
    """A _Part of inference: its triangular systems solved beforehand, its flow folded."""

    def __init__(self, part, storage):
        super().__init__()
        self.block, self._condition_size = part.block, part.condition_size
        factor = part.factor.numpy().astype(np.float64)
        self._log_determinant = -float(np.log(np.diag(factor)).sum())
        self._shift, self._weight = (tf.Variable(each, trainable=False) for each in (part.shift, part.weight))
        self.flow = part.flow and part.flow.fold(storage)
        order = self.flow.order if self.flow else slice(None)
        self._factor = tf.Variable(factor.T[order].astype(np.float32), trainable=False)
        self._solved = tf.Variable(np.linalg.inv(factor).T[:, order].astype(np.float32), trainable=False)
        self._centre = None
        if self.flow is not None and not np.array_equal(part.spread, np.eye(self.block.size)):
            spread = part.spread.numpy().astype(np.float64)
            self._log_determinant -= float(np.log(np.diag(spread)).sum())
            self._centre = tf.Variable(part.centre, trainable=False)
            self._spread, self._unspread = (tf.Variable(matrix.T.astype(np.float32), trainable=False)
                                            for matrix in (spread, np.linalg.inv(spread)))

    condition = _Part.condition

    def forward(self, noise, condition):
        if self._centre is not None:
            noise = tf.nn.bias_add(tf.matmul(noise, self._spread), self._centre)
        if self.flow is not None:
            noise = self.flow.forward(noise, condition)
        values = tf.nn.bias_add(tf.matmul(noise, self._factor), self._shift)
        return values + tf.matmul(condition, self._weight) if self._condition_size else values

    def inverse(self, latents, condition, dropout, seed):
        del seed
        if dropout:
            raise ValueError("LatentPrior: a folded prior cannot be trained; fold the loaded model after training.")
        values = latents - self._shift
        if self._condition_size:
            values = tf.add_n([values, tf.negative(tf.matmul(condition, self._weight))])
        values = tf.matmul(values, self._solved)
        if self.flow is None:
            return values, self._log_determinant
        noise, log_flow = self.flow.inverse(values, condition)
        if self._centre is not None:
            noise = tf.matmul(noise - self._centre, self._unspread)
        return noise, self._log_determinant + log_flow
