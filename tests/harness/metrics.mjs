// Prometheus text, read back. https://prometheus.io/docs/instrumenting/exposition_formats/

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;

/** Parses an exposition; refuses a line that is none. */
export function parseMetrics(text) {
  const samples = text
    .split('\n')
    .filter((line) => line && !line.startsWith('#'))
    .map((line) => {
      const parts = SAMPLE.exec(line);
      if (!parts) throw new Error(`not a sample: ${line}`);
      const labels = [...(parts[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
      return {
        name: parts[1],
        labels: Object.fromEntries(labels.map(([, name, value]) => [name, value])),
        value: Number(parts[3]),
      };
    });
  return {
    samples,
    /**
     * The sum of all samples of this name that carry these labels; undefined when there is none.
     */
    sum(name, labels = {}) {
      const wanted = samples.filter(
        (sample) =>
          sample.name === name &&
          Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
      );
      return wanted.length > 0 ? wanted.reduce((total, { value }) => total + value, 0) : undefined;
    },
  };
}
