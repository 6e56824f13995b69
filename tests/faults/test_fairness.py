"""One who takes all he can get beside one who asks for little: the little one is served in time, and nobody loses anything."""
import pytest

from tests.faults.tools import P99_MS, Load, measure, p99_ms

SECONDS = 2

FLOODS = {
    "one_flooding_publisher": ("one-to-one", {"size": 128, "window": 200000}),
    "publisher_without_subscribers": ("publish", {"size": 16}),
    "large_messages": ("one-to-one", {"size": 200000, "window": 64}),
    "fan_out_to_500": ("fan-out", {"size": 128, "subscribers": 500}),
    "fan_out_of_large_messages": ("fan-out", {"size": 20000, "subscribers": 100}),
    "churn_of_subscriptions": ("subscription-churn", {"size": 128, "pairs": 4}),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_request_beside(broker, name):
    workload, options = FLOODS[name]
    # The names that pairs of requests use must be theirs alone.
    pair, pair_options = ("latency", {"size": 64, "rate": 500}) if workload == "subscription-churn" else ("request", {"size": 64})
    alone = measure(broker, pair, 1, **pair_options)
    with Load(broker, workload, SECONDS + 1, **options) as flood:
        beside = measure(broker, pair, SECONDS, **pair_options)
        flooded = flood.result()
    print(f"\n{name}: {flooded['units'] / flooded['wall_seconds']:.0f} {flooded['unit']} a second; the pair beside it: "
          f"p50 {beside['latency_us']['p50'] / 1000:.2f}, p99 {p99_ms(beside):.2f}, most {beside['latency_us']['max'] / 1000:.2f} ms "
          f"({beside['units']} of them; alone p99 {p99_ms(alone):.2f} ms)")
    assert p99_ms(beside) < P99_MS
    assert beside["units"] > 10
    varz = broker.json("/varz")
    assert varz["slow_consumers"] == varz["dropped_msgs"] == 0
