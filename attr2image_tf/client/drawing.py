"""GeneratorClient: what a client draws from attributes alone."""

from collections.abc import Mapping, Sequence

import numpy as np

from attr2image_tf.client import verbs
from attr2image_tf.client.checks import as_at_least_0, as_whole
from attr2image_tf.client.local import Models
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.randomness import seed_rows


def requested_rows(schema: AttributeSchema, request, seed, count, varied, correlated) -> tuple[np.ndarray, np.ndarray]:
    """Attributes float32 [count, A] and seeds int32 [count, 2] for arguments of `GeneratorClient.generate`.

    Raises:
        ValueError: one of them cannot be used.
    """
    seed, count = as_whole("seed", seed, 0), as_whole("count", count, 1)
    if not varied:
        vectors = np.tile(schema.vector(request, correlated=correlated), (count, 1))
    elif correlated:
        vectors = schema.draw(request, count, seed=seed)
    else:
        vectors = np.stack([schema.vector(request, base=row) for row in schema.draw({}, count, seed=seed)])
    return vectors, seed_rows(seed, count)


class GeneratorClient:
    """Draws pictures with the exported generator; `Client` explains requests, seeds and errors.

    Args:
        models: LocalModels, RestModels or GrpcModels.

    Attributes:
        schema: AttributeSchema. Names and ranges of the attributes.
        image_size: height and width of the resulting pictures.
    """

    def __init__(self, models: Models):
        self.models = models
        self.schema, self.image_size = models.describe()

    def generate(self, request: Mapping[str, float | str] = {}, *, seed: int = 0, count: int = 1, varied: bool = True,
                 correlated: bool = True, temperature: float | None = None) -> np.ndarray:
        """Pictures with the requested attributes, uint8 [count, H, W, 3]; the same seed gives the same pictures.

        Args:
            request: amounts by attribute name.
            seed: int from 0 to 2147483647.
            count: int, at least 1.
            varied: whether unrequested attributes are sampled anew for each picture; otherwise all have their expected
                values.
            correlated: whether unrequested attributes follow the requested ones, as in the training data; otherwise
                they are as if nothing had been requested.
            temperature: float, at least 0. Factor on the noise that pictures are drawn from; below 1 they are more
                typical and more alike. Defaults to that of the export.
        """
        return self._draw(*self._rows(request, seed, count, varied, correlated), temperature)["images"]

    def generate_layers(self, request: Mapping[str, float | str] = {}, *, seed: int = 0, count: int = 1,
                        varied: bool = True, correlated: bool = True,
                        temperature: float | None = None) -> dict[str, np.ndarray]:
        """What `generate` draws for the same arguments, and the layers that it is composed of.

        Returns:
            "images" uint8 [count, H, W, 3]; of a layered model also "foregrounds" and "backgrounds", the same, and
            "gates" uint8 [count, H, W, 1], 255 where the background shows.
        """
        drawn = self._draw(*self._rows(request, seed, count, varied, correlated), temperature, layers=True)
        del drawn["latents"]
        return drawn

    def progression(self, name: str, amounts: Sequence[float | str], request: Mapping[str, float | str] = {}, *,
                    seed: int = 0, varied: bool = True, correlated: bool = False,
                    temperature: float | None = None) -> np.ndarray:
        """One picture with an attribute at several amounts and the same noise: uint8 [len(amounts), H, W, 3].

        Args:
            name: text, the attribute.
            amounts: its amounts, at least one.
            request: amounts of other attributes.
            seed: int from 0 to 2147483647.
            varied: whether unrequested attributes are sampled, once for all pictures; otherwise they have their
                expected values.
            correlated: whether correlated attributes move with the attribute, as in the training data.
            temperature: as in `generate`.
        """
        if not len(amounts):
            raise ValueError("amounts=[]: expected at least one.")
        base = self._rows(request, seed, 1, varied, True)[0][0]
        vectors = np.stack([self.schema.vector({name: amount}, base=base, correlated=correlated) for amount in amounts])
        return self._draw(vectors, np.tile(np.int32([seed, 0]), (len(vectors), 1)), temperature)["images"]

    def _rows(self, *arguments):
        return requested_rows(self.schema, *arguments)

    def _draw(self, vectors, seeds, temperature, layers=False):
        temperature = None if temperature is None else as_at_least_0("temperature", temperature)
        return verbs.draw(self.models, vectors, seeds, temperature=temperature, layers=layers)
