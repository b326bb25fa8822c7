import type { Monitoring } from '../api';
import { w } from '../words';

type Sample = Monitoring['samples'][number];

interface Series {
  label: string;
  values: (number | null)[];
}

export interface Drawing {
  title: string;
  series: Series[];
  say: (value: number) => string;
}

const KIB = 1024;

/** 12.3 MB, in the language's own way. */
export function bytes(value: number, locale: string): string {
  const power = value < KIB ? 0 : Math.min(4, Math.floor(Math.log2(value) / 10));
  const unit = (['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const)[power];
  return new Intl.NumberFormat(locale, { style: 'unit', unit, maximumFractionDigits: 1 }).format(
    value / KIB ** power,
  );
}

/** From microseconds. */
export function duration(micros: number, locale: string): string {
  const number = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
  if (micros < 1_000_000) return `${number.format(micros / 1_000)}\u00a0ms`;
  return `${number.format(micros / 1_000_000)}\u00a0s`;
}

/** The times of a range, each with what was counted then, or nothing. */
export function slots(
  { samples, length }: Monitoring,
  now: number,
  range: number,
): { at: number; sample: Sample | null }[] {
  const by = new Map(samples.map((sample) => [sample.at, sample]));
  const last = Math.floor(now / length) * length;
  const count = Math.round(range / length);
  return Array.from({ length: count }, (_, index) => {
    const at = last - (count - index) * length;
    return { at, sample: by.get(at) ?? null };
  });
}

export function drawings(samples: (Sample | null)[], length: number, locale: string): Drawing[] {
  const plain = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
  const number = (value: number) => plain.format(value);
  const perSecond = (of: (sample: Sample) => number) =>
    samples.map((sample) => sample && (of(sample) * 1_000) / length);
  const each = (of: (sample: Sample) => number) => samples.map((sample) => sample && of(sample));
  const quantiles = (of: (sample: Sample) => Sample['request_time']) => [
    { label: 'p50', values: each((sample) => of(sample).p50) },
    { label: 'p95', values: each((sample) => of(sample).p95) },
    { label: 'p99', values: each((sample) => of(sample).p99) },
  ];
  const { titles, series } = w.monitoring;
  const time = (value: number) => duration(value, locale);
  const size = (value: number) => bytes(value, locale);
  return [
    {
      title: titles.messages,
      series: [{ label: series.messages, values: perSecond((s) => s.messages) }],
      say: number,
    },
    {
      title: titles.requests,
      series: [
        { label: series.answered, values: perSecond((s) => s.requests) },
        { label: series.refused, values: perSecond((s) => s.refused) },
        { label: series.failed, values: perSecond((s) => s.failed) },
      ],
      say: number,
    },
    { title: titles.deliveryTime, series: quantiles((s) => s.delivery_time), say: time },
    { title: titles.requestTime, series: quantiles((s) => s.request_time), say: time },
    { title: titles.batchTime, series: quantiles((s) => s.batch_time), say: time },
    {
      title: titles.connections,
      series: [{ label: series.connections, values: each((s) => s.connections) }],
      say: number,
    },
    {
      title: titles.signIns,
      series: [
        { label: series.begun, values: each((s) => s.begun_sign_ins) },
        { label: series.letIn, values: each((s) => s.sign_ins) },
      ],
      say: number,
    },
    {
      title: titles.unopened,
      series: [{ label: series.unopened, values: each((s) => s.unopened) }],
      say: number,
    },
    {
      title: titles.database,
      series: [{ label: series.database, values: each((s) => s.database_time) }],
      say: time,
    },
    { title: titles.queue, series: [{ label: series.queue, values: each((s) => s.queue) }], say: number },
    { title: titles.memory, series: [{ label: series.memory, values: each((s) => s.memory) }], say: size },
    { title: titles.disk, series: [{ label: series.disk, values: each((s) => s.disk_left) }], say: size },
  ];
}
