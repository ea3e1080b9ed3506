"""Laws of the measurement of joined requests."""

import numpy as np

from benchmarks import joined


def test_rates_count_requests_and_batches_are_joined():
    seen = []
    requests = [{"x": np.full((1, 2), n)} for n in range(4)]
    rate, _ = joined.measure(lambda inputs: seen.append(inputs["x"]), requests, 2, 1, 0.05)
    assert {value.shape for value in seen} == {(2, 2)}
    assert {tuple(value[:, 0]) for value in seen} == {(0, 1), (2, 3)}
    assert rate > 0 and abs(rate * 0.05 - 2 * len(seen)) < 0.5 * 2 * len(seen)


def test_the_table_has_a_row_a_size_and_a_column_a_thread_count():
    rows = [{"signature": "a/b", "joined": joined, "threads": threads, "per_second": 10.0 * joined + threads,
             "per_processor_second": 5.0} for joined in (1, 16) for threads in (1, 2)]
    text = joined.markdown({"rows": rows})
    assert "| 1 | 11 (5) | 12 (5) |" in text and "| 16 | 161 (5) | 162 (5) |" in text
