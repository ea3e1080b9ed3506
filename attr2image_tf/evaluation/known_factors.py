"""Experiments on rendered scenes, where each factor, each layer and every other picture is known."""

import dataclasses

import numpy as np
import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.data.scenes import Factor
from attr2image_tf.evaluation import disentanglement_scores as scores
from attr2image_tf.evaluation import metrics
from attr2image_tf.evaluation.context import Context, evenly_spaced, number
from attr2image_tf.evaluation.pictures import Pictures, in_batches

FITTED = 2000
TESTED = 1000
SETS = 600
SET_SIZE = 24
EDITED = 200
RENDERED = 50  # scenes at once


def disentanglement(context: Context):
    """MIG, SAP, DCI and FactorVAE of the encoder's means, and what each half of them knows of each layer's factors."""
    if reason := scores.missing():
        return {"scores": {"left_out": reason}}, {}
    factors = context.data.scenes.factors
    halves = {"z": slice(None)}
    if context.model.layered:
        size = context.model.config.foreground_latent_size
        halves = {"z_F": slice(None, size), "z_B": slice(size, None)}
    train, test = ((draws, _encode(context, draws)) for draws in (
        context.data.scenes.draw(context.config.seed + stream, count) for stream, count in ((1, FITTED), (2, TESTED))))
    rows = [_FactorScores.measure(factor, halves, train, test, context.config.seed) for factor in factors]
    hidden = [row for row in rows if not row.factor.attribute]
    deviations = train[1].std(0)
    estimates = {title: _summary(context, chosen, deviations) for title, chosen in (
        ("all factors", rows), ("factors that attributes do not tell", hidden))}
    for half in halves:
        groups = {}
        for row in rows:
            source = "told by attributes" if row.factor.attribute else "beyond the attributes"
            groups.setdefault(f"{row.factor.layer}, {source}", []).append(row.known[half])
        values = {group: np.mean(shares) for group, shares in groups.items()}
        values |= {row.factor.name: row.known[half] for row in rows}
        estimates[f"what {half} knows"] = {name: number(value, TESTED) for name, value in values.items()}
    return estimates, {}


@dataclasses.dataclass(frozen=True)
class _FactorScores:
    """The scores of one factor; `known` is by half the accuracy of a random forest above chance, as a share of what
    could be above it."""

    factor: Factor
    gap: float
    separated: float
    importances: np.ndarray
    accuracy: float
    known: dict[str, float]

    @classmethod
    def measure(cls, factor, halves, train, test, seed):
        (draws, codes), (test_draws, test_codes) = train, test
        rows, test_rows = factor.visible(draws), factor.visible(test_draws)
        levels, test_levels = factor.level(draws)[rows], factor.level(test_draws)[test_rows]
        codes, test_codes = codes[rows], test_codes[test_rows]
        importances, accuracy = scores.importances(codes, levels, test_codes, test_levels, seed)
        chance = np.bincount(test_levels).max() / len(test_levels)
        by_half = {half: accuracy if half == "z" else scores.importances(
            codes[:, part], levels, test_codes[:, part], test_levels, seed)[1] for half, part in halves.items()}
        return cls(factor, scores.mutual_information_gap(codes, levels),
                   scores.separated_attribute_predictability(codes, levels, test_codes, test_levels), importances,
                   accuracy, {half: (each - chance) / (1 - chance) for half, each in by_half.items()})


def _summary(context, rows, deviations):
    disentangled, complete = scores.disentanglement_and_completeness(np.stack([row.importances for row in rows], 1))
    values = {"MIG": np.mean([row.gap for row in rows]), "SAP": np.mean([row.separated for row in rows]),
              "FactorVAE": np.nan, "DCI disentanglement": disentangled, "DCI completeness": complete,
              "DCI informativeness": np.mean([row.accuracy for row in rows])}
    vote, error = _factor_vae(context, [row.factor for row in rows], deviations)
    return {name: number(value, TESTED) for name, value in values.items()} | {"FactorVAE": {
        "value": vote, "low": vote - 1.96 * error, "high": vote + 1.96 * error, "n": SETS - SETS // 2}}


def _factor_vae(context, factors, deviations):
    """FactorVAE's score and its standard error: sets of scenes with one factor in common, encoded a few at a time."""
    generator = np.random.default_rng(context.config.seed)
    fixed = generator.integers(len(factors), size=SETS)
    draws = context.data.scenes.draw(context.config.seed + 3, SETS * SET_SIZE).reshape(SETS, SET_SIZE, -1)
    values = generator.random(SETS).astype(np.float32)
    for i, which in enumerate(fixed):
        draws[i] = factors[which].fix(draws[i], np.full(SET_SIZE, values[i]))
    codes = _encode(context, draws.reshape(SETS * SET_SIZE, -1)).reshape(SETS, SET_SIZE, -1)
    return scores.factor_vae_score(codes.std(1), fixed, deviations)


def _encode(context, draws):
    """The mean of q(z | x, y), float32 [N, Z], of the scenes with these numbers [N, D]."""
    return in_batches(lambda rows: context.encode(_render(context, draws[rows])[0]), len(draws), 500)


def _render(context, draws, attributes=None):
    """Pictures of scenes of numbers [N, D] and attributes [N, A], by default their own, and all layers uint8."""
    scenes, size = context.data.scenes, context.model.config.image_size
    attributes = scenes.attributes(draws) if attributes is None else attributes

    def rendered(rows):
        layers = scenes.render(tf.constant(draws[rows]), tf.constant(attributes[rows]), size)
        return {name: pixels.uint8_from_unit(layer) for name, layer in layers.items()}

    layers = in_batches(rendered, len(draws), RENDERED)
    names = np.array([str(i) for i in range(len(draws))])
    return Pictures(layers["image"], layers["mask"], attributes, names, names), layers


def exchange(context: Context):
    """The z_B of one scene with the z_F of another: their true foreground over the true background."""
    draws = context.data.scenes.draw(context.config.seed + 4, EDITED)
    pictures, layers = _render(context, draws)
    codes, size = context.encode(pictures), context.model.config.foreground_latent_size
    other = np.roll(np.arange(EDITED), 1)
    exchanged = np.concatenate([codes[:, :size], codes[other, size:]], -1)
    own, mixed = (_decoded(context, latents, pictures.attributes) for latents in (codes, exchanged))
    mask = pictures.masks / 255.0
    true = {name: layer / 255.0 for name, layer in layers.items()}
    behind = true["background"][other]
    composed = mask * true["foreground"] + (1 - mask) * behind
    names = pictures.people

    def errors(drawn, wanted, region=None):
        return context.data.estimate(metrics.pixel_error(drawn, wanted, region), names)

    estimates = {
        "squared error": {
            "own picture": errors(own["images"], true["image"]),
            "composed with the other's background": errors(mixed["images"], composed),
            "the same, where the background is seen": errors(mixed["images"], composed, 1 - mask),
            "the same, where the foreground is": errors(mixed["images"], composed, mask),
            "background layer, where it was seen": errors(mixed["backgrounds"], behind, 1 - mask[other]),
            "background layer, where it was hidden": errors(mixed["backgrounds"], behind, mask[other]),
            "the background not exchanged": errors(own["images"], composed)},
        "largest change of the foreground layer": number(
            np.abs(own["foregrounds"] - mixed["foregrounds"]).max(), EDITED)}
    rows = evenly_spaced(EDITED, 8)
    sheet = [[pictures.images[i], pictures.images[other[i]], *(part[i] for part in (
        composed, mixed["images"], behind, mixed["backgrounds"]))] for i in rows]
    return estimates, {"exchanged backgrounds": pixels.grid(sheet, column_labels=[
        "foreground", "background", "true", "drawn", "true background", "drawn background"])}


def _decoded(context, latents, attributes):
    """`decode`'s layers, all in [0, 1]."""
    layers = in_batches(lambda rows: context.layers(latents[rows], attributes[rows]), len(latents),
                        context.config.batch_size)
    return {name: layer if name.startswith("gate") else pixels.unit_from_model_range(layer).numpy()
            for name, layer in layers.items()}


def changes(context: Context):
    """Each attribute changed alone in an encoded scene, beside the renderer's picture of the change.

    The noise of the latents stays, as in an edit. `response` is the projection of the change drawn on the true change:
    1 where all of it is drawn, 0 where nothing is. `elsewhere` is what else changes, as a share of the true change.
    """
    scenes = context.data.scenes
    draws = scenes.draw(context.config.seed + 5, EDITED)
    pictures, _ = _render(context, draws)
    codes = context.encode(pictures)
    noise = context.model.noise_from_latents(codes, pictures.attributes)
    before = _decoded(context, codes, pictures.attributes)["images"]
    responses, elsewhere, sheet = {}, {}, []
    for name, change in scenes.changes.items():
        attributes = change(pictures.attributes)
        wanted, _ = _render(context, draws, attributes)
        after = _decoded(context, context.model.latents_from_noise(noise, attributes).numpy(), attributes)["images"]
        true = (wanted.images / 255.0 - pictures.images / 255.0).reshape(EDITED, -1)
        drawn = (after - before).reshape(EDITED, -1)
        size = np.maximum((true * true).sum(1), 1e-9)
        slope = (true * drawn).sum(1) / size
        responses[name] = context.data.estimate(slope, pictures.people)
        elsewhere[name] = context.data.estimate(np.square(drawn - slope[:, None] * true).sum(1) / size, pictures.people)
        place = len(sheet) * 7 % EDITED
        sheet.append([pictures.images[place], before[place], wanted.images[place], after[place]])
    return {"response": {"mean": number(np.mean([each["value"] for each in responses.values()]), EDITED)} | responses,
            "elsewhere": {"mean": number(np.mean([each["value"] for each in elsewhere.values()]), EDITED)} | elsewhere
            }, {"one attribute changed": pixels.grid(sheet, row_labels=list(scenes.changes), column_labels=[
                "scene", "reconstructed", "changed, true", "changed, drawn"])}
