//! The figures of one answer: what was counted, and what was read just now. Made for each scrape and then forgotten, so that
//! a controller that nobody asks keeps nothing.

use prometheus_client::encoding::{
    EncodeCounterValue, EncodeGaugeValue, EncodeLabelValue, EncodeMetric, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Metric, Registry, Unit};

/// Names with values. But for those of Container Insights none is made of what a client sends.
pub(super) type Labels<L = &'static str> = Vec<(&'static str, L)>;

/// What is being written.
#[derive(Debug, Default)]
pub(super) struct Page(Registry);

/// Values that were read just now.
#[derive(Debug)]
struct Samples<L, V> {
    kind: MetricType,
    values: Vec<(Labels<L>, V)>,
}

impl<L, V: EncodeGaugeValue + EncodeCounterValue> Samples<L, V> {
    fn encode_one(&self, value: &V, encoder: &mut MetricEncoder<'_>) -> std::fmt::Result {
        match self.kind {
            MetricType::Counter => encoder.encode_counter(value, None::<&Exemplar<NoLabelSet, f64>>),
            _ => encoder.encode_gauge(value),
        }
    }
}

impl<L: EncodeLabelValue, V: EncodeGaugeValue + EncodeCounterValue> EncodeMetric for Samples<L, V> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> std::fmt::Result {
        for (labels, value) in &self.values {
            if labels.is_empty() {
                self.encode_one(value, &mut encoder)?;
            } else {
                self.encode_one(value, &mut encoder.encode_family(labels)?)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        self.kind
    }
}

/// A figure without labels.
pub(super) fn one<V>(value: V) -> [(Labels, V); 1] {
    [(Vec::new(), value)]
}

impl Page {
    /// A metric of the library's own types. Its name has neither its unit nor `_total`: both are added.
    pub(super) fn add(&mut self, name: &str, help: &str, unit: Option<Unit>, metric: impl Metric) {
        match unit {
            Some(unit) => self.0.register_with_unit(name, help, unit, metric),
            None => self.0.register(name, help, metric),
        }
    }

    /// What can go down as well as up.
    pub(super) fn gauges<L, V>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        values: impl IntoIterator<Item = (Labels<L>, V)>,
    ) where
        L: EncodeLabelValue + Send + Sync + std::fmt::Debug + 'static,
        V: EncodeGaugeValue + EncodeCounterValue + Send + Sync + std::fmt::Debug + 'static,
    {
        self.add(name, help, unit, Samples { kind: MetricType::Gauge, values: values.into_iter().collect() });
    }

    /// What only ever grows, without a unit.
    pub(super) fn counters(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, u64)>) {
        self.add(name, help, None, Samples { kind: MetricType::Counter, values: values.into_iter().collect() });
    }

    /// What only ever grows, in seconds.
    pub(super) fn seconds(&mut self, name: &str, help: &str, value: f64) {
        let values = one(value).into();
        self.add(name, help, Some(Unit::Seconds), Samples { kind: MetricType::Counter, values });
    }

    /// All of it.
    pub(super) fn registry(self) -> Registry {
        self.0
    }
}
