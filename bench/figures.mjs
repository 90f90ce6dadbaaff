// Numbers out of numbers.

/** The middle one; of an even count the lower of the two in the middle. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/**
 * The buckets of a Prometheus histogram as {bound: count of observations up to it}, for the samples
 * with these labels.
 */
export function histogramOf(metrics, name, labels) {
  const samples = metrics.samples.filter(
    (sample) =>
      sample.name === `${name}_bucket` &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  return Object.fromEntries(
    samples.map(({ labels: { le }, value }) => [le === '+Inf' ? Infinity : Number(le), value]),
  );
}

/**
 * The quantile of what was observed between two looks at a histogram, in seconds, as Prometheus
 * estimates it: evenly spread within a bucket.
 * https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
 */
export function quantileBetween(before, after, share) {
  const bounds = Object.keys(after).map(Number).sort((a, b) => a - b);
  const countTo = (bound) => after[bound] - (before[bound] ?? 0);
  const rank = share * countTo(Infinity);
  let lower = 0;
  for (const bound of bounds) {
    if (countTo(bound) >= rank) {
      const below = lower === 0 ? 0 : countTo(lower);
      if (bound === Infinity) return lower;
      return lower + ((bound - lower) * (rank - below)) / Math.max(1, countTo(bound) - below);
    }
    lower = bound;
  }
  return lower;
}
