"""Experiments on pictures of people never seen: bounds, reconstruction and completion (sec. 4 and 5).

Like those of `generation`: a Context in, estimates and pictures out. Batches are written as they are finished.
"""

import numpy as np
import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.evaluation import metrics
from attr2image_tf.evaluation.context import Context, EvaluationData, evenly_spaced
from attr2image_tf.inference.completion import fill_in

INSIDE, ANYWHERE = "inside the foreground", "anywhere"
_SHOWN = 10
# Terms that are no part of the bound.
_NO_NATS = ("log_weight", "objective", "squared_error", "squared_error_foreground", "foreground_share")


def bounds(context: Context):
    """Bounds on the log-likelihood by term, in nats for each picture; for the picture alone in bits a value too.

    A layered model explains x, x_F and g together, the others x alone. The bound of the picture alone leaves log p(x_F)
    and log p(g) out of the importance weights: the encoder may use what it likes to propose latents, so what is left
    bounds log p(x | y), for all models alike.
    """
    test, config = _chosen(context, context.config.bounded)
    step = tf.function(lambda batch, seed: context.model.lower_bound(batch, seed), reduce_retracing=True)

    def compute(rows):
        batch = context.batch(test[rows])
        draws = []
        for draw in range(config.draws):
            terms = step(batch, tf.constant([(config.seed + rows.start) % 2**31, draw]))
            draws.append({name: term.numpy().astype(np.float64) for name, term in terms.items()})
        means = {f"mean_{name}": np.mean([draw[name] for draw in draws], 0) for name in draws[0]}
        trained = np.stack([draw["log_weight"] for draw in draws], 1)
        # A run without a fitted prior has no `prior_gain`.
        weights = trained + np.stack([draw.get("prior_gain", np.zeros(len(trained))) for draw in draws], 1)
        others = [name for name in draws[0] if name.startswith("log_likelihood_") and name != "log_likelihood_image"]
        alone = weights - sum((np.stack([draw[name] for draw in draws], 1) for name in others), np.zeros(()))
        return {**means, "log_weights": weights, "log_weights_of_picture": alone, "log_weights_as_trained": trained}

    rows = context.workspace.rows("bounds", len(test), config.batch_size, compute)
    dimensions = int(np.prod(test.images.shape[1:]))
    estimates = {"terms": {name.removeprefix("mean_"): context.data.estimate(values, test.people)
                           for name, values in rows.items() if name.startswith("mean_")
                           and name.removeprefix("mean_") not in _NO_NATS}}
    for title, name in (("bound of all that is observed, nats", "log_weights"),
                        ("bound of all that is observed with N(0, I), nats", "log_weights_as_trained"),
                        ("bound of the picture alone, nats", "log_weights_of_picture")):
        estimates[title] = {f"k_{draws}": context.data.estimate(_bound(rows[name], draws), test.people)
                            for draws in (1, 10, 100)}
    estimates["bound of the picture alone, bits a value"] = {
        f"k_{draws}": context.data.estimate(metrics.bits_per_dimension(_bound(rows["log_weights_of_picture"], draws),
                                                                       dimensions), test.people)
        for draws in (1, 10, 100)}
    return estimates, {}


def _bound(log_weights, draws):
    return metrics.importance_weighted_bound(log_weights.T, draws)


def reconstruction(context: Context):
    """Test pictures from latents found by minimising the energy (eq. 9), and from the encoder's mean.

    Attributes are given. The encoder of a layered model is also given the mask, which inference does without.
    """
    test, config = _chosen(context, context.config.inferred)

    def compute(rows):
        batch, attributes = context.batch(test[rows]), test.attributes[rows]
        found = context.optimizer.infer(batch["image"], attributes)
        return {"encoded": context.decode(context.encode(test[rows]), attributes), "energy": found["energy"].numpy(),
                "inferred": context.decode(found["latents"].numpy(), attributes),
                "evaluations": found["evaluations"].numpy()}

    rows = context.workspace.rows("reconstruction", len(test), config.batch_size, compute)
    estimates = {}
    for title, name in (("by posterior inference", "inferred"), ("by the encoder's mean", "encoded")):
        estimates[title] = _errors(context.data, test, rows[name])
    estimates["by posterior inference"]["evaluations"] = context.data.estimate(rows["evaluations"], test.people)
    shown = evenly_spaced(len(test), _SHOWN)
    table = [test.images[shown], rows["inferred"][shown], rows["encoded"][shown]]
    return estimates, {"reconstructions": pixels.grid(table, row_labels=["real", "inferred", "encoded"])}


def real_reconstruction(data: EvaluationData):
    """The error of the mean training picture, which any model should beat."""
    test = data.test[evenly_spaced(len(data.test), data.config.inferred)]
    mean = np.rint(data.train.images.mean(0, dtype=np.float64)).astype(np.uint8)
    return {"by posterior inference": _errors(data, test, np.tile(mean, (len(test), 1, 1, 1)))}, {}


def _errors(data, test, images):
    """Error of pixels in [0, 1] and similarity to test pictures, whole, foreground and background."""
    real, drawn, masks = test.images / np.float32(255), images / np.float32(255), test.masks / 255.0
    errors = {"whole": metrics.pixel_error(real, drawn), "foreground": metrics.pixel_error(real, drawn, masks),
              "background": metrics.pixel_error(real, drawn, 1.0 - masks)}
    values = {f"squared_error_{name}": error for name, error in errors.items()}
    values |= {f"psnr_{name}": metrics.peak_signal_to_noise(errors[name]) for name in ("whole", "foreground")}
    values |= {"ssim_whole": metrics.structural_similarity(real, drawn),
               "ssim_foreground": metrics.structural_similarity(real, drawn, masks)}
    # Pictures without any mask have no foreground to measure.
    return {name: data.estimate(each, test.people) for name, each in values.items() if not np.isnan(each).all()}


def completion(context: Context):
    """A square patch is hidden, latents are inferred from the rest, and the error is measured in the patch (sec. 5).

    Attributes are given. The encoder's guess, from which inference starts, has not seen the patch either.
    """
    test, config = _chosen(context, context.config.completed)
    images = pixels.model_range_from_uint8(test.images).numpy()

    def complete(observed, name):
        def compute(rows):
            completed = context.optimizer.complete(images[rows], observed[rows], test.attributes[rows])
            return {"images": pixels.uint8_from_model_range(completed["images"][:, 0]).numpy()}
        return context.workspace.rows(name, len(test), config.batch_size, compute)["images"]

    return _completion(context.data, complete)


def real_completion(data: EvaluationData):
    """The error where the hidden part is taken from the mean training picture, blended at the seam as a model's is."""
    test = data.test[evenly_spaced(len(data.test), data.config.completed)]
    images = pixels.model_range_from_uint8(test.images)
    mean = tf.reduce_mean(pixels.model_range_from_uint8(data.train.images), 0, keepdims=True)

    def complete(observed, name):
        del name
        return pixels.uint8_from_model_range(
            fill_in(images, tf.repeat(mean, len(test), 0), tf.constant(observed))).numpy()

    return _completion(data, complete)[0], {}


def _completion(data, complete):
    config = data.config
    test = data.test[evenly_spaced(len(data.test), config.completed)]
    estimates, pictures, shown = {}, {}, evenly_spaced(len(test), _SHOWN)
    for place in places(data):
        table, labels = [test.images[shown]], ["real"]
        for size in config.patch_sizes:
            hidden = patches(test.masks, size, inside=place == INSIDE, seed=config.seed)
            completed = complete(1.0 - hidden, completion_name(place, size))
            real, drawn = test.images / np.float32(255), completed / np.float32(255)
            errors = metrics.pixel_error(real, drawn, hidden)
            estimates[f"{size} x {size} pixels {place}"] = {
                name: data.estimate(values, test.people) for name, values in (
                    ("squared_error_hidden", errors), ("psnr_hidden", metrics.peak_signal_to_noise(errors)),
                    ("ssim_hidden", metrics.structural_similarity(real, drawn, hidden)))}
            grey = test.images * (1 - hidden) + 128 * hidden
            table += [grey[shown].astype(np.uint8), completed[shown]]
            labels += ["hidden", f"{size} px"]
        pictures[f"completion {place}"] = pixels.grid(table, row_labels=labels)
    return estimates, pictures


def places(data: EvaluationData) -> tuple[str, ...]:
    """Where patches are hidden; there is no inside where no picture has a mask."""
    return (INSIDE, ANYWHERE) if data.test.masks.any() else (ANYWHERE,)


def completion_name(place: str, size: int) -> str:
    """The name of completed pictures in the workspace."""
    return f"completion-{place.replace(' ', '-')}-{size}"


def patches(masks: np.ndarray, size: int, *, inside: bool, seed: int) -> np.ndarray:
    """A square patch for each picture, float32 [N, H, W, 1]: 1 inside, 0 elsewhere.

    Args:
        masks: uint8 [N, H, W, 1], 255 on the foreground.
        size: height and width in pixels, less than the picture's.
        inside: whether the place is uniform over those that hold at least 9 tenths of the most foreground that a patch
            of this size can hold; else uniform over all.
        seed: int. A patch is a function of it, the size and the picture's place alone.

    Raises:
        ValueError: the patch would hide the whole picture.
    """
    height, width = masks.shape[1:3]
    if size >= min(height, width):
        raise ValueError(f"a hidden patch of {size} pixels leaves nothing of pictures of {height} x {width} pixels; "
                         "use smaller patch_sizes.")
    hidden = np.zeros((*masks.shape[:3], 1), np.float32)
    for row, mask in enumerate(masks[..., 0].astype(np.float64)):
        sums = np.pad(mask.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        held = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
        allowed = np.flatnonzero(held >= 0.9 * held.max()) if inside else np.arange(held.size)
        place = np.random.default_rng([seed, size, row]).choice(allowed)
        top, left = np.unravel_index(place, held.shape)
        hidden[row, top:top + size, left:left + size] = 1.0
    return hidden


def _chosen(context, count):
    test = context.data.test
    return test[evenly_spaced(len(test), count)], context.config
