"""The four verbs draw, infer, complete and edit, for a batch of pictures and any kind of models.

Arrays in, arrays out. Everything that draws or changes pictures calls these: `Client`, the mains, bulk work and the
page differ in what they read and write, but give the same answer to the same question.

Pictures are uint8 [B, H, W, 3] of the models' size, `observed` bool [B, H, W], True where a picture may be used,
attributes float32 [B, A] in the data set's units, seeds int32 [B, 2].
"""

import numpy as np

from attr2image_tf import pixels

GENERATOR, OPTIMIZER = "generator", "latent_optimizer"


def draw(models, attributes, seeds, *, temperature: float | None = None, layers: bool = False) -> dict:
    """Pictures with the given attributes.

    Args:
        attributes, seeds: one row per picture; row i of the answer depends only on row i of these.
        temperature: float, at least 0. Factor on the noise; defaults to that of the export.
        layers: whether to return also the layers of the pictures, and their latents.

    Returns:
        images, uint8; with `layers` latents float32 [B, Z] and, of a layered model, foregrounds, backgrounds and gates
        uint8 [B, H, W, 1], 255 where the background shows.
    """
    inputs = {"attributes": attributes, "seed": seeds}
    if temperature is None and not layers:
        return {"images": _pictures(models.call(GENERATOR, "generate_bytes", **inputs))}
    if temperature is None:
        answer = models.call(GENERATOR, "generate", **inputs)
    else:
        answer = models.call(GENERATOR, "sample", **inputs, temperature=np.full(len(seeds), temperature, np.float32))
    drawn = {name: np.rint(np.clip(answer[name], 0.0, 1.0) * 255.0).astype(np.uint8)
             for name in ("images", "foregrounds", "gates", "backgrounds") if name in answer}
    return drawn | {"latents": answer["latents"]} if layers else {"images": drawn["images"]}


def infer(models, images, observed=None, attributes=None) -> dict:
    """Infers the latents of pictures, and their attributes unless these are given.

    Returns:
        attributes; latents float32 [B, Z]; images, the reconstructions; energy, reconstruction_energy, prior_energy
        float32 [B]; iterations, evaluations and stopped int32 [B], as `inference.LatentOptimizer` has them.
    """
    seen = _seen(images, observed)
    if attributes is None:
        return _decoded(models.call(OPTIMIZER, "infer_attributes_bytes", **seen))
    return _decoded(models.call(OPTIMIZER, "infer_bytes", **seen, attributes=attributes)) | {"attributes": attributes}


def complete(models, images, observed, attributes=None, *, seed: int = 0, samples: int = 0) -> dict:
    """Pictures with their hidden part filled in; what is observed stays.

    Latents, and attributes that are not given, are found once, from what is observed. The likeliest completion is drawn
    from them, and each sample begins there.

    Args:
        models, images, observed, attributes: as in `infer`.
        seed: int. Seed of the samples: sample k is a function of the picture, `seed` and k.
        samples: int, at least 0. Number of sampled completions besides the likeliest.

    Returns:
        What `infer` returns, except that its images are called reconstructions here; images, the likeliest completion;
        and samples, a list with what was found for each sample, and its images.
    """
    found, seen = infer(models, images, observed, attributes), _seen(images, observed)
    known = {"attributes": found["attributes"]}
    fresh = models.has(OPTIMIZER, "complete_latents_bytes")
    best = known | ({"latents": found["latents"]} if fresh else {})
    # Older exports can only descend again.
    filled = models.call(OPTIMIZER, "complete_latents_bytes" if fresh else "complete_bytes", **seen, **best)
    drawn = []
    for number in range(samples):
        seeds = np.tile(np.int32([seed, number]), (len(images), 1))
        drawn.append(_decoded(models.call(
            OPTIMIZER, "complete_sample_latents_bytes" if fresh else "complete_sample_bytes", **seen, **best,
            seed=seeds)) | known)
    return found | {"reconstructions": found["images"], "images": _pictures(filled), "samples": drawn}


def edit(models, images, latents, attributes, new_attributes) -> dict:
    """Pictures with other attributes.

    Args:
        models, images: as in `infer`.
        latents, attributes: what `infer` found for them.
        new_attributes: float32 [B, A].

    Returns:
        images.
    """
    return {"images": _pictures(models.call(
        OPTIMIZER, "edit_latents_bytes", image_bytes=_pngs(images), latents=latents, attributes=attributes,
        new_attributes=new_attributes))}


def _seen(images, observed):
    if observed is None:
        observed = np.ones(np.shape(images)[:3], bool)
    return {"image_bytes": _pngs(images), "observed_bytes": _pngs(np.where(observed, 255, 0).astype(np.uint8))}


def _pngs(pictures):
    return np.array([pixels.to_png(picture) for picture in pictures], object)


def _pictures(answer):
    return np.stack([pixels.from_png(content) for content in answer["images_bytes"]])


def _decoded(answer):
    return {name: value for name, value in answer.items() if name != "images_bytes"} | {"images": _pictures(answer)}
