//! The processor time of this process. The collector of `prometheus` cuts it to whole seconds, which
//! shows little of a server that needs milliseconds.

use std::time::Duration;

use prometheus::proto::{Counter, MetricFamily};
use rustix::time::{ClockId, clock_gettime};

const NAME: &str = "process_cpu_seconds_total";

/// Puts the exact time in the place of the rounded one.
pub(super) fn make_exact(families: &mut [MetricFamily]) {
    let seconds = used().as_secs_f64();
    for family in families.iter_mut().filter(|family| family.name() == NAME) {
        for metric in family.mut_metric() {
            let mut counter = Counter::default();
            counter.set_value(seconds);
            metric.set_counter(counter);
        }
    }
}

fn used() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}
