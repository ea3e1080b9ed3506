"""What experiments measure: pure functions of arrays, in float64.

Most give one number for each example, so that an interval can be given with their mean (`bootstrap_interval`).
"""

import functools
import math

import numpy as np
import tensorflow as tf

# Of the ridge regression of partial slopes, beside variances of 1.
_PENALTY = 0.01


def cosine_similarity(first, second) -> np.ndarray:
    """Cosine of the angle between rows of [N, D], float64 [N] in [-1, 1]; 0 where a row is all 0."""
    first, second = _float(first), _float(second)
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return np.sum(first * second, -1) / np.where(lengths > 0, lengths, 1.0)


def squared_error(first, second) -> np.ndarray:
    """Mean of (first - second)^2 over the last axis of [N, D], float64 [N]."""
    return np.square(_float(first) - _float(second)).mean(-1)


def correlation(first, second) -> np.ndarray:
    """Pearson correlation of the columns of [N, D], float64 [D] in [-1, 1]; 0 where a column is constant."""
    first, second = (values - values.mean(0) for values in (_float(first), _float(second)))
    lengths = np.linalg.norm(first, axis=0) * np.linalg.norm(second, axis=0)
    return np.sum(first * second, 0) / np.where(lengths > 0, lengths, 1.0)


def sign_accuracy(predicted, true, thresholds) -> np.ndarray:
    """Share of rows in which predicted and true attributes are on the same side of the threshold, float64 [D].

    Args:
        predicted, true: [N, D].
        thresholds: [D]. At the threshold counts as above.
    """
    thresholds = _float(thresholds)
    return ((_float(predicted) >= thresholds) == (_float(true) >= thresholds)).mean(0)


def balanced_accuracy(predicted, true, thresholds) -> np.ndarray:
    """The mean of the shares of both sides of a threshold [D] that are told right, of columns of [N, D], float64 [D];
    where `true` has one side alone, that of this side. Always telling the more frequent side has 0.5."""
    told, side = _float(predicted) >= thresholds, _float(true) >= thresholds
    with np.errstate(invalid="ignore"):
        shares = [(told & side).sum(0) / side.sum(0), (~told & ~side).sum(0) / (~side).sum(0)]
    return np.nanmean(shares, axis=0)


def sign_thresholds(minimum, maximum) -> np.ndarray:
    """Where an attribute changes from absent to present, [D]: 0 for scores of both signs, else the range's middle."""
    minimum, maximum = _float(minimum), _float(maximum)
    return np.where(minimum < 0, 0.0, (minimum + maximum) / 2)


def pixel_error(first, second, regions=None) -> np.ndarray:
    """Mean squared difference over the pixels and channels of a region, float64 [N]; NaN where the region is empty.

    Args:
        first, second: pictures [N, H, W, C], of one range.
        regions: [N, H, W, 1], weights of at least 0; None is the whole picture.
    """
    squares = np.square(_float(first) - _float(second)).mean(-1, keepdims=True)
    return _regional_mean(squares, regions)


def peak_signal_to_noise(errors) -> np.ndarray:
    """PSNR in dB, float64 [N], of mean squared errors [N] of pixels in [0, 1]."""
    return -10.0 * np.log10(np.maximum(_float(errors), 1e-12))


def root_mean_squared_gradient(images) -> np.ndarray:
    """Root mean square of the differences of neighbouring pixels, across and down, float64 [N]; 0 where all is one
    colour.

    Args:
        images: pictures [N, H, W, C] in [0, 1].
    """
    images = _float(images)
    squares = [np.square(np.diff(images, axis=axis)).mean((1, 2, 3)) for axis in (1, 2)]
    return np.sqrt(np.mean(squares, 0))


def power_by_frequency(images) -> tuple[np.ndarray, np.ndarray]:
    """Power of pictures below and from half the Nyquist frequency on, float64 [N] each: sums of squares a value.

    Grain, speckles and chequers have power in the second. Without the mean, and with a Hann window, so that borders
    that do not match are no frequencies.

    Args:
        images: pictures [N, H, W, C] in [0, 1].
    """
    images = _float(images)
    height, width = images.shape[1:3]
    window = np.hanning(height)[:, np.newaxis, np.newaxis] * np.hanning(width)[:, np.newaxis]
    mean = (images * window).sum((1, 2), keepdims=True) / window.sum()
    power = np.abs(np.fft.fft2((images - mean) * window, axes=(1, 2)))**2 / (np.square(window).sum() * height * width)
    # In cycles a pixel; Nyquist is 1/2.
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.fftfreq(width))
    high = frequency >= 0.25
    return tuple(power[:, part].sum(1).mean(1) for part in (~high, high))


def gradient_histograms(images, cells: int = 8, bins: int = 8) -> np.ndarray:
    """Histograms of the directions of gradients, float64 [N, cells^2 bins], of root mean square 1: features that no
    network has learned (Dalal and Triggs, CVPR 2005).

    Args:
        images: uint8 [N, S, S, 3].
        cells: along each side.
        bins: of directions, opposite ones the same.
    """
    count, size = len(images), images.shape[1] // cells * cells
    features = np.zeros((count, cells, cells, bins))
    for start in range(0, count, 256):
        grey = images[start:start + 256].mean(-1, dtype=np.float64)
        down, across = np.gradient(grey, axis=(1, 2))
        length = np.hypot(down, across)[:, :size, :size]
        place = (np.arctan2(down, across)[:, :size, :size] / np.pi % 1.0 * bins).astype(int) % bins
        for each in range(bins):
            parts = (length * (place == each)).reshape(-1, cells, size // cells, cells, size // cells)
            features[start:start + 256, ..., each] = parts.sum((2, 4))
    features = features.reshape(count, -1)
    return features / np.maximum(np.sqrt(np.square(features).mean(1, keepdims=True)), 1e-9)


def structural_similarity(first, second, regions=None) -> np.ndarray:
    """SSIM (Wang et al. 2004; 11 x 11 Gaussian window), float64 [N], at most 1; NaN where the region is empty.

    A region's is the mean over the windows around its pixels; pixels too near the border have none.

    Args:
        first, second: pictures [N, H, W, C] in [0, 1], of at least 11 x 11 pixels.
        regions: [N, H, W, 1], weights of at least 0; None is the whole picture.
    """
    windows = tf.image.ssim(tf.cast(first, tf.float32), tf.cast(second, tf.float32), 1.0, return_index_map=True)
    windows = _float(windows)[..., np.newaxis]
    return _regional_mean(windows, None if regions is None else regions[:, 5:-5, 5:-5])


def frechet_distance(first, second) -> float:
    """Squared Frechet distance of the Gaussians with the moments of features [N, D] and [M, D] (Heusel et al. 2017).

        |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))

    Biased upwards for few examples; compare only at one N and M.
    """
    first, second = _float(first), _float(second)
    root = _matrix_root(np.cov(first, rowvar=False).reshape(first.shape[1], -1))
    covariance = np.cov(second, rowvar=False).reshape(first.shape[1], -1)
    cross = np.linalg.eigvalsh(root @ covariance @ root)
    means = np.sum(np.square(first.mean(0) - second.mean(0)))
    # The cross term has the eigenvalues of C1 C2, but is symmetric; tiny negative ones are rounding.
    return float(means + np.sum(root * root) + np.trace(covariance) - 2.0 * np.sqrt(np.maximum(cross, 0.0)).sum())


def kernel_distance(first, second) -> float:
    """KID: the unbiased squared maximum mean discrepancy of features [N, D] and [M, D] (Binkowski et al. 2018).

    The kernel is (x . y / D + 1)^3. Its expectation is 0 for equal distributions at any N, so it can be negative.
    """
    first, second = _float(first), _float(second)

    def kernel(left, right):
        return (left @ right.T / first.shape[1] + 1.0) ** 3

    def within(values):
        table, count = kernel(values, values), len(values)
        return (table.sum() - np.trace(table)) / (count * (count - 1))

    return float(within(first) + within(second) - 2.0 * kernel(first, second).mean())


def mean_pairwise_distance(values) -> float:
    """Mean over pairs of rows of [K, D] of the root mean squared difference, K at least 2."""
    values = _float(values)
    count, size = values.shape
    squares = np.sum(np.square(values), -1)
    table = np.maximum(squares[:, None] + squares - 2.0 * values @ values.T, 0.0)
    return float(np.sqrt(table[np.triu_indices(count, 1)] / size).mean())


def nearest(queries, references, count) -> tuple[np.ndarray, np.ndarray]:
    """The nearest rows of references [M, D] for each row of queries [N, D], in float32.

    Returns:
        places int [N, count], nearest first, and root mean squared differences float64 [N, count].
    """
    queries, references = np.asarray(queries, np.float32), np.asarray(references, np.float32)
    # Half of the expanded square, without the query's own length, which changes no order.
    scores = 0.5 * np.sum(np.square(references), -1) - queries @ references.T
    places = np.argsort(scores, axis=1, kind="stable")[:, :count]
    distances = [[np.sqrt(squared_error(query, references[place])) for place in row]
                 for query, row in zip(queries, places, strict=True)]
    return places, np.array(distances)


def bootstrap_interval(values, groups, *, seed=0) -> tuple[float, float]:
    """The interval in which 95 % of the means of values [N] fall when whole groups are drawn again with replacement.

    Pictures of one person are not independent of each other; people are.

    Args:
        values: [N]; NaN is left out.
        groups: [N], anything that can be compared.
        seed: int. Of the draws.
    """
    values, groups = _float(values), np.asarray(groups)
    known = ~np.isnan(values)
    _, members = np.unique(groups[known], return_inverse=True)
    sums, counts = np.bincount(members, values[known]), np.bincount(members)
    draws = _draws(len(sums), seed, rounds=1000)
    means = (draws @ sums) / (draws @ counts)
    return _interval(means)


def importance_weighted_bound(log_weights, draws) -> np.ndarray:
    """log 1/k sum_k w, averaged over the groups of k = `draws` that log-weights [K, N] make up; float64 [N]."""
    log_weights = _float(log_weights)
    groups = len(log_weights) // draws
    grouped = log_weights[:groups * draws].reshape(groups, draws, -1)
    largest = grouped.max(1, keepdims=True)
    return (np.log(np.exp(grouped - largest).mean(1)) + largest[:, 0]).mean(0)


def bits_per_dimension(nats, dimensions) -> np.ndarray:
    """Bits for each 8-bit pixel value, of log-densities in nats of pixels in [-1, 1]: a level is 2 / 255 wide."""
    return -_float(nats) / (dimensions * math.log(2.0)) + math.log2(127.5)


def explained_variance(inputs, targets, test_inputs, test_targets) -> np.ndarray:
    """R^2 on test rows of a ridge regression of targets [N, T] on inputs [N, D], float64 [T]; 0 for constant targets.

    Its penalty is the one of 1, 10, ..., 10^5 that does best on the last fifth of the N rows, by target. Below 0 means
    worse than the mean of the N rows.
    """
    inputs, targets, test_inputs, test_targets = map(_float, (inputs, targets, test_inputs, test_targets))
    split = len(inputs) * 4 // 5
    penalties = 10.0 ** np.arange(6)
    held_out = np.stack([_ridge_error(inputs[:split], targets[:split], inputs[split:], targets[split:], penalty)
                         for penalty in penalties])
    errors = np.stack([_ridge_error(inputs, targets, test_inputs, test_targets, penalty) for penalty in penalties])
    chosen = np.take_along_axis(errors, held_out.argmin(0)[np.newaxis], 0)[0]
    variance = np.square(test_targets - targets.mean(0)).mean(0)
    return np.where(variance > 1e-12, 1.0 - chosen / np.maximum(variance, 1e-12), 0.0)


def slopes(true, seen, groups, *, partial: bool, seed=0) -> tuple[np.ndarray, float, float]:
    """Slopes of the columns of `seen` [N, D] on the same columns of `true` [N, D], float64 [D], and an interval.

    Args:
        true, seen: [N, D], standardised.
        groups: [N]; see `bootstrap_interval`.
        partial: bool. Whether all columns of `true` are in the regression, so that a slope is with the others held; by
            ridge, since columns may go together.
        seed: int. Of the interval, which holds 95 % of the draws of the mean slope.
    """
    true, seen = _float(true), _float(seen)
    _, members = np.unique(np.asarray(groups), return_inverse=True)

    def regress(weights):
        rows = weights[members][:, np.newaxis]
        total = rows.sum()
        inputs, outputs = (part - (rows * part).sum(0) / total for part in (true, seen))
        products = inputs.T @ (rows * outputs) / total
        squares = inputs.T @ (rows * inputs) / total
        if not partial:
            return np.diag(products) / np.maximum(np.diag(squares), 1e-12)
        return np.diag(np.linalg.solve(squares + _PENALTY * np.eye(true.shape[1]), products))

    draws = _draws(members.max() + 1, seed, rounds=200)
    means = [regress(draw).mean() for draw in draws]
    return regress(np.ones(members.max() + 1)), *_interval(means)


def _interval(means):
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


# Many measurements are of the same people.
@functools.lru_cache(maxsize=8)
def _draws(groups, seed, rounds):
    """How often each group is drawn, which is all that matters, float64 [rounds, groups]."""
    return np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=rounds).astype(np.float64)


def _ridge_error(inputs, targets, test_inputs, test_targets, penalty):
    mean, deviation, target_mean = inputs.mean(0), np.maximum(inputs.std(0), 1e-9), targets.mean(0)
    scaled = (inputs - mean) / deviation
    weights = np.linalg.solve(scaled.T @ scaled + penalty * np.eye(scaled.shape[1]), scaled.T @ (targets - target_mean))
    predicted = (test_inputs - mean) / deviation @ weights + target_mean
    return np.square(predicted - test_targets).mean(0)


def _matrix_root(matrix):
    """The symmetric root of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _regional_mean(values, regions):
    """Means of [N, H, W, 1] over regions of the same shape, [N]; NaN where a region is empty."""
    if regions is None:
        return values.mean((1, 2, 3))
    regions = _float(regions)
    weights = regions.sum((1, 2, 3))
    return np.where(weights > 0, (values * regions).sum((1, 2, 3)) / np.where(weights > 0, weights, 1.0), np.nan)


def _float(values):
    return np.asarray(values, np.float64)
