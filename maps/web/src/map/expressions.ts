/** Small builders for MapLibre expressions, so that styles read as sentences. */
import type { ExpressionSpecification, FilterSpecification } from 'maplibre-gl';

/** MapLibre's expression type is a union of some hundred tuples; builders make the tuples, this names them. */
export const expression = (parts: unknown[]): ExpressionSpecification => parts as unknown as ExpressionSpecification;
export const filter = (parts: unknown[]): FilterSpecification => parts as unknown as FilterSpecification;

export type Stops = readonly (readonly [zoom: number, value: number | ExpressionSpecification])[];

/** A size that grows with the zoom. */
export const growing = (stops: Stops, base = 1.4): ExpressionSpecification =>
  expression(['interpolate', ['exponential', base], ['zoom'], ...stops.flat()]);

/** An opacity that fades with the zoom, scaled by the layer's own opacity. */
export const fading = (stops: readonly (readonly [zoom: number, value: number])[], factor = 1): ExpressionSpecification =>
  expression(['interpolate', ['linear'], ['zoom'], ...stops.flatMap(([zoom, value]) => [zoom, value * factor])]);

export const get = (name: string): ExpressionSpecification => expression(['get', name]);

/** One value per group of names; every name is listed once. */
export function matching<T>(input: ExpressionSpecification, groups: readonly (readonly [names: readonly string[], value: T])[], otherwise: T): ExpressionSpecification {
  const branches = groups.filter(([names]) => names.length > 0).flatMap(([names, value]) => [names, value]);
  return branches.length === 0 ? expression(['to-color', otherwise]) : expression(['match', input, ...branches, otherwise]);
}

export const isOneOf = (input: ExpressionSpecification, names: readonly string[]): FilterSpecification =>
  filter(['match', input, names, true, false]);

const SYSTEM_CJK = ['PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Source Han Sans SC', 'WenQuanYi Micro Hei', 'Noto Sans SC Variable'];

/** Font stacks; glyphs are drawn in the browser, which reads the weight out of the first name. */
export const FONT = {
  regular: ['OneMap Regular', ...SYSTEM_CJK],
  medium: ['OneMap Medium', ...SYSTEM_CJK],
  bold: ['OneMap Semibold', ...SYSTEM_CJK],
};
