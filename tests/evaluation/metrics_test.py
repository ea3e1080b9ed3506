"""Every metric against an answer that is known in closed form."""

import math

import numpy as np
import pytest

from attr2image_tf.evaluation import metrics

RANDOM = np.random.default_rng(0)


def test_cosine_similarity_of_known_angles():
    first = np.array([[1.0, 0.0], [1.0, 0.0], [3.0, 3.0], [0.0, 0.0]])
    second = np.array([[0.0, 2.0], [-5.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(metrics.cosine_similarity(first, second), [0.0, -1.0, math.sqrt(0.5), 0.0], atol=1e-12)


def test_squared_error_is_the_mean_over_a_row():
    np.testing.assert_allclose(metrics.squared_error([[0.0, 2.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]]), [2.0, 0.0])


def test_correlation_ignores_scale_and_offset():
    values = RANDOM.normal(size=(50, 1))
    table = metrics.correlation(np.hstack([values, values, values, values]),
                                np.hstack([3 * values + 7, -values, np.zeros_like(values), values**2]))
    np.testing.assert_allclose(table[:3], [1.0, -1.0, 0.0], atol=1e-12)
    assert table[3] == pytest.approx(np.corrcoef(values[:, 0], values[:, 0] ** 2)[0, 1])


def test_sign_accuracy_counts_sides_of_the_threshold():
    predicted, true = np.array([[1.0, 0.2], [-1.0, 0.9], [2.0, 0.7]]), np.array([[3.0, 0.0], [1.0, 1.0], [0.1, 0.0]])
    thresholds = metrics.sign_thresholds([-2.0, 0.0], [3.0, 1.0])
    np.testing.assert_array_equal(thresholds, [0.0, 0.5])
    np.testing.assert_allclose(metrics.sign_accuracy(predicted, true, thresholds), [2 / 3, 2 / 3])


def test_pixel_error_of_regions():
    first, second = np.zeros((3, 4, 4, 3)), np.zeros((3, 4, 4, 3))
    second[:, :2] = 0.5
    regions = np.zeros((3, 4, 4, 1))
    regions[0, :2], regions[1, 2:] = 1.0, 1.0
    np.testing.assert_allclose(metrics.pixel_error(first, second), 0.125)
    np.testing.assert_allclose(metrics.pixel_error(first, second, regions), [0.25, 0.0, np.nan])


def test_psnr_of_a_tenth_of_the_range_is_20():
    np.testing.assert_allclose(metrics.peak_signal_to_noise([0.01, 4.0]), [20.0, -6.0206], atol=1e-4)


def test_ssim_of_flat_pictures_is_the_luminance_term():
    first, second = np.full((1, 16, 16, 3), 0.4, np.float32), np.full((1, 16, 16, 3), 0.6, np.float32)
    expected = (2 * 0.4 * 0.6 + 1e-4) / (0.4**2 + 0.6**2 + 1e-4)
    # TensorFlow computes it in float32, whose rounding shows beside a variance of 0.
    np.testing.assert_allclose(metrics.structural_similarity(first, second), [expected], rtol=1e-3)


def test_ssim_of_a_region_sees_that_region_alone():
    first = RANDOM.uniform(size=(2, 32, 32, 3)).astype(np.float32)
    second = first.copy()
    second[:, :, 20:] = 1.0 - second[:, :, 20:]
    left, right = np.zeros((2, 32, 32, 1)), np.zeros((2, 32, 32, 1))
    left[:, :, :15], right[:, :, 25:] = 1.0, 1.0  # windows around the left pixels end before the change
    np.testing.assert_allclose(metrics.structural_similarity(first, second, left), 1.0, atol=1e-5)
    assert metrics.structural_similarity(first, second, right).max() < 0.0
    assert 0.0 < metrics.structural_similarity(first, second).min() < 1.0


def test_frechet_distance_of_known_gaussians():
    white = RANDOM.normal(size=(4000, 3))
    white = (white - white.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(white, rowvar=False))).T
    assert metrics.frechet_distance(white, white) == pytest.approx(0.0, abs=1e-9)
    assert metrics.frechet_distance(white, white + [3.0, 4.0, 0.0]) == pytest.approx(25.0)
    # Commuting covariances: the sum of (sigma_1 - sigma_2)^2.
    assert metrics.frechet_distance(white, white * [2.0, 1.0, 0.0]) == pytest.approx(1.0 + 0.0 + 1.0)


def test_frechet_distance_of_covariances_that_do_not_commute():
    first, second = (RANDOM.normal(size=(100, 4)) @ RANDOM.normal(size=(4, 4)) for _ in range(2))
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(one @ two).astype(complex)).real.sum()
    expected = np.sum(np.square(first.mean(0) - second.mean(0))) + np.trace(one + two) - 2 * roots
    assert metrics.frechet_distance(first, second) == pytest.approx(expected)
    assert metrics.frechet_distance(second, first) == pytest.approx(expected)


def test_kernel_distance_equals_its_definition():
    first, second = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=(4, 3)) + 1.0

    def kernel(x, y):
        return (x @ y / 3 + 1.0) ** 3

    within = [np.mean([kernel(x, y) for i, x in enumerate(values) for j, y in enumerate(values) if i != j])
              for values in (first, second)]
    between = np.mean([kernel(x, y) for x in first for y in second])
    assert metrics.kernel_distance(first, second) == pytest.approx(sum(within) - 2 * between)


def test_kernel_distance_is_unbiased():
    draws = [metrics.kernel_distance(*RANDOM.normal(size=(2, 20, 4))) for _ in range(400)]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / math.sqrt(400)
    assert min(draws) < 0.0
    assert metrics.kernel_distance(RANDOM.normal(size=(50, 4)), RANDOM.normal(size=(50, 4)) + 2.0) > max(draws)


def test_diversity_of_one_picture_repeated_is_zero_and_of_noise_is_root_two():
    assert metrics.mean_pairwise_distance(np.tile(RANDOM.uniform(size=100), (5, 1))) == pytest.approx(0.0, abs=1e-6)
    assert metrics.mean_pairwise_distance([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]) == pytest.approx(
        (3 + 4 + 5) / 3 / math.sqrt(2))
    assert metrics.mean_pairwise_distance(RANDOM.normal(size=(20, 20_000))) == pytest.approx(math.sqrt(2), rel=0.01)


def test_nearest_finds_copies_and_their_distance():
    references = RANDOM.normal(size=(30, 8))
    places, distances = metrics.nearest(references[[4, 17]] + 0.01, references, 3)
    np.testing.assert_array_equal(places[:, 0], [4, 17])
    np.testing.assert_allclose(distances[:, 0], 0.01, rtol=1e-4)
    assert (np.diff(distances, axis=1) >= 0).all()


def test_bootstrap_interval_of_independent_values_is_the_normal_one():
    values = RANDOM.normal(size=1000)
    low, high = metrics.bootstrap_interval(values, np.arange(1000))
    half = 1.96 * values.std() / math.sqrt(1000)
    np.testing.assert_allclose([low, high], [values.mean() - half, values.mean() + half], atol=0.15 * half)


def test_bootstrap_interval_grows_when_groups_hold_copies():
    values, groups = np.repeat(RANDOM.normal(size=100), 9), np.repeat(np.arange(100), 9)

    def width(groups):
        low, high = metrics.bootstrap_interval(values, groups)
        return high - low

    assert width(groups) == pytest.approx(3 * width(np.arange(900)), rel=0.15)
    assert metrics.bootstrap_interval(values, groups) == metrics.bootstrap_interval(values, groups)


def test_bootstrap_interval_leaves_out_what_is_unknown():
    assert metrics.bootstrap_interval([2.0, np.nan, 2.0], ["a", "b", "c"]) == (2.0, 2.0)


def test_importance_weighted_bound_of_known_weights():
    log_weights = np.log([[1.0, 2.0], [3.0, 2.0], [5.0, 2.0], [7.0, 2.0]]) + 1000.0  # too large for exp
    np.testing.assert_allclose(metrics.importance_weighted_bound(log_weights, 1) - 1000.0,
                               [np.log([1, 3, 5, 7]).mean(), np.log(2)])
    np.testing.assert_allclose(metrics.importance_weighted_bound(log_weights, 2) - 1000.0,
                               [np.log([2, 6]).mean(), np.log(2)])
    np.testing.assert_allclose(metrics.importance_weighted_bound(log_weights, 4) - 1000.0, [np.log(4), np.log(2)])


def test_importance_weighted_bound_rises_to_the_true_evidence():
    # x ~ N(z, 1), z ~ N(0, 1), so x ~ N(0, 2); the proposal is the prior.
    x, z = 1.3, RANDOM.normal(size=(100_000, 1))
    log_weights = -0.5 * (x - z) ** 2 - 0.5 * math.log(2 * math.pi)
    bounds = [metrics.importance_weighted_bound(log_weights, k)[0] for k in (1, 10, 100)]
    evidence = -(x**2) / 4 - 0.5 * math.log(4 * math.pi)
    assert bounds[0] < bounds[1] < bounds[2] < evidence + 1e-3
    assert bounds[2] == pytest.approx(evidence, abs=0.01)


def test_bits_per_dimension_of_a_uniform_density_is_8():
    # Uniform over [-1, 1]: log-density -log 2 a value; 255 levels' widths instead of 256.
    assert metrics.bits_per_dimension(-12 * math.log(2.0), 12) == pytest.approx(math.log2(255))


def test_explained_variance_of_what_is_there_and_what_is_not():
    latents, test = RANDOM.normal(size=(400, 5)), RANDOM.normal(size=(2000, 5))

    def targets(values):
        noise = RANDOM.normal(size=len(values))
        return np.stack([values @ [1.0, 2.0, 0.0, 0.0, 3.0] - 7.0, values[:, 1] + noise, noise, 0 * noise], -1)

    result = metrics.explained_variance(latents, targets(latents), test, targets(test))
    np.testing.assert_allclose(result, [1.0, 0.5, 0.0, 0.0], atol=0.06)
    assert result[0] > 0.999 and result[3] == 0.0


@pytest.mark.parametrize("function", [metrics.cosine_similarity, metrics.squared_error])
def test_sums_are_made_in_double_precision(function):
    values = np.full((1, 4), 1e8, np.float32)
    assert function(values, values).dtype == np.float64


def test_slopes_are_those_of_the_regression_that_made_the_data(monkeypatch):
    monkeypatch.setattr(metrics, "_PENALTY", 0.0)
    random = np.random.default_rng(0)
    true = random.normal(size=(4000, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])
    seen = true @ np.array([[0.5, 0.0], [0.2, 0.3]]) + 0.1 * random.normal(size=(4000, 2))
    people = np.arange(4000) // 4
    partial, low, high = metrics.slopes(true, seen, people, partial=True)
    np.testing.assert_allclose(partial, [0.5, 0.3], atol=0.02)
    assert low < partial.mean() < high < low + 0.05
    # What goes with the other column counts too.
    alone, *_ = metrics.slopes(true, seen, people, partial=False)
    np.testing.assert_allclose(alone, [0.5 + 0.2 * 0.8, 0.3], atol=0.02)


def test_the_gradient_of_a_ramp_is_its_slope_and_of_one_colour_0():
    ramp = np.broadcast_to(np.linspace(0.0, 0.6, 7)[:, np.newaxis, np.newaxis], (7, 7, 3))
    values = metrics.root_mean_squared_gradient(np.stack([ramp, ramp * 0.0 + 0.5]))
    np.testing.assert_allclose(values, [0.1 * math.sqrt(0.5), 0.0], atol=1e-12)


def test_power_lies_where_its_frequency_is_and_that_of_noise_is_its_variance():
    rows = np.arange(32)[:, np.newaxis, np.newaxis] + np.zeros([32, 32, 3])
    slow, fast = 0.2 * np.sin(2 * np.pi * rows / 16), 0.2 * np.sin(2 * np.pi * rows / 2.5)
    noise = np.random.default_rng(0).normal(0.0, 0.1, (64, 32, 32, 3))
    low, high = metrics.power_by_frequency(np.stack([slow, fast, slow * 0.0 + 0.5]))
    np.testing.assert_allclose(low, [0.02, 0.0, 0.0], atol=1e-3)
    np.testing.assert_allclose(high, [0.0, 0.02, 0.0], atol=1e-3)
    low, high = metrics.power_by_frequency(noise)
    # Of the square of frequencies a circle of half the Nyquist frequency holds pi / 16.
    assert (low + high).mean() == pytest.approx(0.01, rel=0.02)
    assert low.mean() / (low + high).mean() == pytest.approx(math.pi / 16, rel=0.1)


def test_balanced_accuracy_of_the_frequent_answer_alone_is_a_half():
    true = np.array([[1.0, 1.0]] + [[0.0, 1.0]] * 9)
    np.testing.assert_allclose(metrics.balanced_accuracy(np.zeros((10, 2)), true, np.full(2, 0.5)), [0.5, 0.0])
    np.testing.assert_allclose(metrics.balanced_accuracy(true, true, np.full(2, 0.5)), [1.0, 1.0])


def test_histograms_of_gradients_know_directions_and_not_their_sign_or_light():
    ramp = np.tile(np.arange(0, 128, 2, dtype=np.uint8), (64, 1))
    across = np.repeat(ramp[np.newaxis, ..., np.newaxis], 3, -1)
    pictures = np.concatenate([across, across[:, :, ::-1], across // 2, across.transpose(0, 2, 1, 3)])
    first, mirrored, darker, down = metrics.gradient_histograms(pictures)
    assert first.shape == (512,) and np.square(first).mean() == pytest.approx(1.0)
    np.testing.assert_allclose(first, mirrored)
    np.testing.assert_allclose(first, darker, atol=0.5)
    assert abs(first @ down) < 1e-6
