//! What the async runtime is doing, asked at each look at the metrics.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Error, IntGauge};
use tokio::runtime::Handle;

/// Reports on the runtime that the metrics are rendered in.
pub(super) struct RuntimeCollector {
    workers: IntGauge,
    tasks: IntGauge,
    queued: IntGauge,
}

impl RuntimeCollector {
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self {
            workers: IntGauge::new("ferryd_runtime_workers", "Threads that run tasks")?,
            tasks: IntGauge::new("ferryd_runtime_alive_tasks", "Tasks that have not ended")?,
            queued: IntGauge::new("ferryd_runtime_queued_tasks", "Tasks in the shared queue")?,
        })
    }

    fn gauges(&self) -> [&IntGauge; 3] {
        [&self.workers, &self.tasks, &self.queued]
    }
}

impl Collector for RuntimeCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        if let Ok(runtime) = Handle::try_current() {
            let metrics = runtime.metrics();
            self.workers.set(gauge(metrics.num_workers()));
            self.tasks.set(gauge(metrics.num_alive_tasks()));
            self.queued.set(gauge(metrics.global_queue_depth()));
        }
        self.gauges().into_iter().flat_map(Collector::collect).collect()
    }
}

fn gauge(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
