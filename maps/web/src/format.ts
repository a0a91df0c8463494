/** Numbers, lengths, times and dates as people read them in each language. */
import type { Lang } from './state/url';

const locale = (lang: Lang): string => (lang === 'zh' ? 'zh-CN' : 'en-GB');

export const NO_VALUE = '–';

export function formatCount(value: number | null | undefined, lang: Lang): string {
  if (value === null || value === undefined) return NO_VALUE;
  return new Intl.NumberFormat(locale(lang), { maximumFractionDigits: 0 }).format(value);
}

export function formatShare(value: number | null | undefined, lang: Lang): string {
  if (value === null || value === undefined || Number.isNaN(value)) return NO_VALUE;
  return new Intl.NumberFormat(locale(lang), {
    style: 'percent',
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  }).format(value);
}

/** Seconds as minutes with one decimal: the unit limits are written in. */
export function formatMinutes(seconds: number | null | undefined, lang: Lang): string {
  if (seconds === null || seconds === undefined) return NO_VALUE;
  const minutes = new Intl.NumberFormat(locale(lang), { maximumFractionDigits: 1 }).format(seconds / 60);
  return lang === 'zh' ? `${minutes} 分` : `${minutes} min`;
}

export function formatMetres(metres: number | null | undefined, lang: Lang): string {
  if (metres === null || metres === undefined) return NO_VALUE;
  const text = new Intl.NumberFormat(locale(lang), { maximumFractionDigits: 0 }).format(metres);
  return lang === 'zh' ? `${text} 米` : `${text} m`;
}

export function formatTime(iso: string | null | undefined, lang: Lang): string {
  const time = new Date(iso ?? '');
  if (Number.isNaN(time.getTime())) return NO_VALUE;
  return new Intl.DateTimeFormat(locale(lang), {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hour12: false,
  }).format(time);
}

export function formatPlace(lon: number, lat: number): string {
  return `${lat.toFixed(5)}, ${lon.toFixed(5)}`;
}

/** Any fact of a layer as text; nested values as JSON. */
export function formatFact(value: unknown, lang: Lang): string {
  if (value === null || value === undefined || value === '') return NO_VALUE;
  if (typeof value === 'number') {
    return new Intl.NumberFormat(locale(lang), { maximumFractionDigits: 2 }).format(value);
  }
  if (typeof value === 'boolean') return lang === 'zh' ? (value ? '是' : '否') : value ? 'yes' : 'no';
  if (typeof value === 'string') return /^\d{4}-\d\d-\d\dT\d\d:/.test(value) ? formatTime(value, lang) : value;
  return JSON.stringify(value);
}
